/** A service's own domains: added, proved, pointed here, certified, removed. */

import { get, patch, post, profile, remove, replace } from "/js/core/api.js";
import { html, icon, pages, render, scene } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { ask } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { isMember, mayDeploy } from "/js/shared/may.js";
import { toast } from "/js/shared/toast.js";
import { followJob } from "/js/shared/voyage.js";
import { domainCard } from "/js/user/domain-card.js";
import { portActions, showPort } from "/js/user/service-port.js";

const SECONDS = 5;
let view = null;

const adding = () => html`<form class="card stack" data-action="domains.add" data-testid="domain-form" novalidate>
  <h2>${t("domains.add_title")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="domain-name">${t("domains.name")}</label>
    <input class="input mono" id="domain-name" name="name" required maxlength="255" placeholder="www.example.org" inputmode="url" autocapitalize="off" autocomplete="off" spellcheck="false" aria-describedby="domain-hint">
    <p class="hint" id="domain-hint">${t("domains.name_hint")}</p></div>
  <div><button class="button primary" type="submit">${icon("plus")}${t("domains.add")}</button></div></form>`;

const runsIt = () => (profile()?.permissions ?? []).includes("admin:overview");

const withoutHttps = ({ missing }) =>
  missing.length > 0 &&
  html`<div class="callout" data-tone="warn" data-testid="no-https"><strong>${t("domains.no_https")}</strong>
    <p>${!runsIt() ? t("domains.no_https_ask") : html`${t("domains.no_https_text")} ${missing.map((name, at) => html`${at > 0 && ", "}<code>${name}</code>`)}`}</p></div>`;

const nothing = () =>
  html`<div class="card state">${scene("calm")}<h3>${t("domains.none")}</h3><p>${t("domains.none_text")}</p></div>`;

function show({ items, next }) {
  const { part, setup, may } = view;
  view.items = items;
  render(part("list"), items.length ? items.map((domain) => domainCard(domain, setup, may)) : nothing());
  part("more").hidden = !next;
  for (const { id, active_job_id: job } of items) if (job && !view.following.has(job)) follow(id, job);
}

async function follow(id, job) {
  const { following, part, signal, list } = view;
  following.add(job);
  const place = part("list").querySelector(`[data-key="${id}"] [data-part=job]`);
  if (!place) return void following.delete(job);
  try {
    await followJob(place, job, { signal });
    if (signal.aborted) return;
    // What went wrong, the domain itself says.
    render(place, "");
    await list.refresh();
  } catch (error) {
    if (error.name !== "AbortError" && error.status !== 404) throw error;
  }
}

export async function open(root, { service, signal }) {
  const path = `/services/${service.id}/domains`;
  const [setup] = await Promise.all([get(`${path}/setup`, {}, signal), loadTexts("domains")]);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { path, part, setup, signal, may: mayDeploy(service), following: new Set(), items: [] };
  render(
    root,
    html`${withoutHttps(setup)}${view.may && adding()}
      <div class="stack" data-part="list" data-testid="domains"></div>
      <button class="button" type="button" data-part="more" data-action="domains.more" hidden>${t("list.more")}</button>
      <div data-part="port"></div>`,
  );
  view.list = pages({ load: (page) => get(path, page, signal), show, signal, seconds: SECONDS });
  await Promise.all([view.list.reload(), isMember(service) && showPort(part("port"), service, view.may, signal)]);
}

const at = (element) => `/domains/${element.closest("[data-domain]").dataset.domain}`;
const named = (element) => view.items.find(({ id }) => id === element.closest("[data-domain]").dataset.domain).display_name;

async function provide(form) {
  const { server, key_name, key, algorithm, token } = values(form);
  const { provider } = form.dataset;
  const given = provider === "rfc2136" ? { provider, server, key_name, key, algorithm } : { provider, token };
  await replace(`${at(form)}/dns-provider`, given);
  form.reset();
  await view.list.refresh();
  toast(t("domains.provider_saved"));
}

export const actions = {
  ...portActions,
  "domains.add": (form) =>
    complete(form) &&
    submit(form, async () => {
      await post(view.path, { name: values(form).name });
      form.reset();
      await view.list.reload();
    }),
  "domains.copy": async (button) => {
    await copy(button.dataset.value);
    toast(t("domains.copied"));
  },
  "domains.check": async (button) => {
    await post(`${at(button)}/checks`);
    await view.list.refresh();
  },
  "domains.set": async (box) => {
    const { checked, name } = box;
    try {
      await patch(at(box), { [name]: checked });
      toast(t("domains.saved"));
    } catch (error) {
      box.checked = !checked;
      throw error;
    }
    await view.list.refresh();
  },
  "domains.provide": (form) => complete(form) && submit(form, () => provide(form)),
  "domains.forget_provider": async (button) => {
    await remove(`${at(button)}/dns-provider`);
    await view.list.refresh();
    toast(t("domains.provider_forgotten"));
  },
  "domains.remove": async (button) => {
    const name = named(button);
    const sure = await ask({ title: t("domains.remove_title", { name }), text: t("domains.remove_text"), confirm: t("domains.remove") });
    if (!sure) return;
    await remove(at(button));
    await view.list.refresh();
    toast(t("domains.removed", { name }));
  },
  "domains.more": () => view.list.more(),
};
