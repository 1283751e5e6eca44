/** Previews of pull requests: whether there are any, how they are made, and those that there are. */

import { get, patch } from "/js/core/api.js";
import { badge, html, pages, render, since, webAddress } from "/js/core/dom.js";
import { dateTime, known, localised, t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { price } from "/js/shared/plans.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const options = (names, chosen, label) =>
  names.map((name) => html`<option value="${name}" ${name === chosen && html`selected`}>${label(name)}</option>`);

const box = (name, checked) => html`<label class="check"><input type="checkbox" name="${name}" ${checked && html`checked`}>
  <span>${t(`push.preview_${name}`)}<br><span class="hint">${t(`push.preview_${name}_hint`)}</span></span></label>`;

const switchBox = ({ enabled }) => html`<label class="check"><input type="checkbox" role="switch" id="previews-enabled" data-action="previews.toggle" data-testid="previews-enabled" ${enabled && html`checked`}>
  <span>${t("push.preview_enabled")}<br><span class="hint">${t("push.preview_enabled_hint")}</span></span></label>`;

const withheld = ({ withheld: names }, variables) => {
  const known = [...new Set([...variables.map(({ name }) => name), ...names])].sort();
  return (
    known.length > 0 &&
    html`<fieldset class="field"><legend class="label">${t("push.preview_withheld")}</legend><div class="checks">${known.map(
      (name) => html`<label class="check"><input type="checkbox" name="withheld" value="${name}" ${names.includes(name) && html`checked`}><code>${name}</code></label>`,
    )}</div><p class="hint">${t("push.preview_withheld_hint")}</p></fieldset>`
  );
};

const count = (name, value, most) => html`<div class="field"><label for="preview-${name}">${t(`push.preview_${name}`)}</label>
  <input class="input" id="preview-${name}" name="${name}" type="number" min="1" max="${most}" required value="${value}" aria-describedby="preview-${name}-hint">
  <p class="hint" id="preview-${name}-hint">${t(`push.preview_${name}_hint`)}</p></div>`;

const choice = (name, names, chosen) => html`<div class="field"><label for="preview-${name}">${t(`push.preview_${name}`)}</label>
  <select class="input" id="preview-${name}" name="${name}" aria-describedby="preview-${name}-hint">${options(names, chosen, (one) => t(`push.preview_${name}.${one}`))}</select>
  <p class="hint" id="preview-${name}-hint">${t(`push.preview_${name}_hint`)}</p></div>`;

function planChoice({ plan_id: chosen }, plans) {
  const own = plans.find(({ id }) => id === view.service.plan_id);
  const smaller = plans.filter((plan) => plan !== own && own && ["memory_bytes", "disk_bytes", "cpu_millis"].every((size) => plan[size] <= own[size]));
  return html`<div class="field"><label for="preview-plan_id">${t("order.plan")}</label>
    <select class="input" id="preview-plan_id" name="plan_id"><option value="">${t("push.preview_own_plan", { plan: own ? localised(own.title) : "" })}</option>
      ${smaller.map((plan) => html`<option value="${plan.id}" ${plan.id === chosen && html`selected`}>${localised(plan.title)} · ${price(plan)}</option>`)}</select>
    <p class="hint">${t("push.preview_plan_hint")}</p></div>`;
}

const form = (settings, { plans, variables }) => html`<form class="stack" data-action="previews.save" data-testid="previews-form" novalidate>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="pair">${planChoice(settings, plans)}${choice("variables", ["unmarked", "all", "none"], settings.variables)}</div>
  ${withheld(settings, variables)}
  <div class="pair">${count("most", settings.most, 50)}${count("days", settings.days, 90)}</div>
  <div class="pair">${choice("forks", ["never", "without_variables", "with_variables"], settings.forks)}${box("drafts", settings.drafts)}</div>
  <div class="row"><button class="button primary" type="submit">${t("form.save")}</button></div></form>`;

const shown = ({ preview }) => {
  const url = webAddress(preview.url);
  return html`<a class="row-name" href="/services/${preview.id}">${preview.name}</a>
    ${preview.status === "running" && html`<a class="row-link" href="${url}" target="_blank" rel="noopener">${url.replace(/^https?:\/\//, "")}</a>`}
    <span class="hint">${t("push.preview_expires", { when: dateTime(preview.expires_at) })}</span>`;
};

const named = ({ number, title, url }) => {
  const words = html`#${number} ${title}`;
  return webAddress(url) ? html`<a href="${url}" target="_blank" rel="noopener">${words}</a>` : words;
};

const request = (one) => html`<li class="grid-row delivery-row" data-key="${one.id}" data-testid="pull-request" data-number="${one.number}">
  <div>${one.preview ? badge(one.preview.status) : html`<span class="badge">${t(`push.pull.${one.state}`)}</span>`}</div>
  <div><span class="cut">${named(one)}</span>${one.preview && shown(one)}
    ${one.reason_code && html`<span class="hint reason">${known(`push.reason.${one.reason_code}`, one.reason_code, one.reason_parameters ?? {})}</span>`}</div>
  <div class="hint"><code>${one.branch}</code><br><code>${one.commit.slice(0, 7)}</code></div>
  <div class="hint">${since(one.pushed_at)}</div></li>`;

const requests = ({ items, next }) => html`<h3>${t("push.pulls")}</h3>
  ${items.length
    ? html`<div class="grid-list"><ul data-testid="pull-requests">${items.map(request)}</ul></div>
        ${next && html`<button class="button" type="button" data-action="previews.more">${t("list.more")}</button>`}`
    : html`<p class="hint">${t("push.pulls_none")}</p>`}`;

function draw() {
  const { root, settings } = view;
  render(root.querySelector("[data-part=previews-switch]"), switchBox(settings));
  // What a person did to the box outweighs the attribute.
  root.querySelector("#previews-enabled").checked = settings.enabled;
  root.querySelector("[data-part=previews-settings]").hidden = !settings.enabled && settings.count === 0;
}

export async function open(root, { service, signal }) {
  const path = `/services/${service.id}/previews`;
  const [settings, plans, variables] = await Promise.all([
    get(`${path}/settings`, {}, signal),
    get("/plans", {}, signal),
    get(`/services/${service.id}/variables`, {}, signal),
  ]);
  view = { root, service, path, settings };
  render(
    root,
    html`<section class="card stack" aria-labelledby="previews-title"><h2 id="previews-title">${t("push.previews")}</h2>
      <div data-part="previews-switch"></div>
      <details data-part="previews-settings"><summary>${t("push.preview_settings")}</summary><div data-part="previews-form"></div></details>
      <div class="stack tight" data-part="pulls"></div></section>`,
  );
  render(root.querySelector("[data-part=previews-form]"), form(settings, { plans: plans.items, variables: variables.items }));
  draw();
  const place = root.querySelector("[data-part=pulls]");
  const load = (page) => get(path, page, signal);
  view.list = pages({ load, show: (page) => render(place, requests(page)), signal });
  await view.list.reload();
}

async function save(sheet) {
  if (!complete(sheet)) return;
  const given = values(sheet);
  await submit(sheet, async () => {
    view.settings = await patch(`${view.path}/settings`, {
      variables: given.variables,
      withheld: new FormData(sheet).getAll("withheld"),
      plan_id: given.plan_id || null,
      most: Number(given.most),
      days: Number(given.days),
      drafts: Boolean(given.drafts),
      forks: given.forks,
    });
    draw();
    toast(t("push.preview_saved"));
  });
}

export const actions = {
  "previews.toggle": async (box) => {
    try {
      view.settings = await patch(`${view.path}/settings`, { enabled: box.checked });
      toast(t(view.settings.enabled ? "push.preview_is_on" : "push.preview_is_off"));
    } finally {
      draw();
    }
  },
  "previews.save": save,
  "previews.more": () => view.list.more(),
};
