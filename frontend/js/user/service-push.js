/** Push to deploy: the webhook and its secret, what is watched, the deploy hook, and what came in. */

import { get, patch, post, remove } from "/js/core/api.js";
import { html, icon, pages, render, scene, since } from "/js/core/dom.js";
import { dateTime, known, loadTexts, t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { ask } from "/js/shared/dialog.js";
import { submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import * as previews from "/js/user/service-previews.js";
import * as statuses from "/js/user/service-statuses.js";

const FORGES = ["github", "gitlab", "gitea", "bitbucket"];
// How badges are coloured; the words are the delivery's own.
const TONES = { deployed: "succeeded", removed: "superseded", ping: "up", ignored: "superseded", refused: "failed" };
let view = null;

const copyable = (label, value, testid) => html`<div class="field"><span class="label">${label}</span>
  <div class="once"><code class="secret" data-testid="${testid}">${value}</code>
    <button class="button" type="button" data-action="push.copy" data-value="${value}" aria-label="${t("push.copy_named", { name: label })}">${icon("copy")}${t("push.copy")}</button></div></div>`;

const enabled = ({ ref }) => (ref ? html`${t("push.enabled")} <code>${ref}</code>` : t("push.enabled_default"));

const secret = ({ webhook }) => html`<div class="factor"><div><strong>${t("push.secret")}</strong>
  <p class="hint">${t("push.secret_set")} ${dateTime(webhook.secret_set_at)}. ${t("push.secret_hint")}</p></div>
  <button class="button" type="button" data-action="push.renew_secret" data-testid="renew-secret">${icon("key")}${t("push.new_secret")}</button></div>`;

// Bitbucket tells neither of files nor which branch is the default one.
const lacking = (forge, { ref, watch_paths: paths }) =>
  forge === "bitbucket" && [!ref && t("push.bitbucket_branch"), paths.length > 0 && t("push.bitbucket_files")].filter(Boolean).join(" ");

const guide = (push) => html`<div class="stack tight guides" data-testid="guides">${FORGES.map(
  (forge) => html`<details data-key="${forge}"><summary>${t(`push.forge.${forge}`)}</summary>
    <p>${t(`push.guide.${forge}`)}${lacking(forge, push) && html` <strong>${lacking(forge, push)}</strong>`}</p></details>`,
)}</div>`;

const webhook = (push) => html`<section class="card stack" aria-labelledby="push-title">
  <h2 id="push-title">${t("push.title")}</h2>
  <label class="check"><input type="checkbox" role="switch" id="push-enabled" data-action="push.toggle" data-testid="push-enabled" ${push.enabled && html`checked`}>
    <span>${enabled(push)}<br><span class="hint">${t("push.enabled_hint")}</span></span></label>
  ${push.webhook && [copyable(t("push.url"), push.webhook.url, "webhook-url"), secret(push), html`<h3>${t("push.where")}</h3>`, guide(push)]}</section>`;

const address = ({ deploy_hook: hook }) => html`<section class="card stack" aria-labelledby="hook-title">
  <h2 id="hook-title">${t("push.hook_title")}</h2><p class="hint">${t("push.hook_hint")}</p>
  <pre class="mono example" tabindex="0" aria-label="${t("push.example")}">curl -X POST ${location.origin}/api/v1/deploy-hooks/…</pre>
  ${hook && html`<p data-testid="deploy-hook">${t("push.hook_made")} ${dateTime(hook.created_at)}. ${hook.last_used_at ? html`${t("push.hook_used")} ${since(hook.last_used_at)}.` : t("push.hook_unused")}</p>`}
  <div class="row"><button class="button" type="button" data-action="push.renew_address" data-testid="renew-address">${icon(hook ? "again" : "plus")}${t(hook ? "push.hook_new" : "push.hook_make")}</button>
    ${hook && html`<button class="button danger" type="button" data-action="push.revoke" data-testid="revoke-address">${icon("trash")}${t("push.hook_revoke")}</button>`}</div></section>`;

function came(delivery) {
  const { commit, subject, reason_code: code, reason_parameters: parameters, deployment } = delivery;
  return html`<div>${commit && html`<span class="cut"><code>${commit.slice(0, 7)}</code> ${subject}</span>`}
    ${deployment && html`<a class="row-link" href="/deployments/${deployment.id}">${t("deployment.number", { number: deployment.number })}</a>`}
    ${code && html`<span class="hint reason">${known(`push.reason.${code}`, code, parameters ?? {})}</span>`}
    ${delivery.outcome === "ping" && html`<span class="hint">${t("push.ping")}</span>`}</div>`;
}

const deliveryRow = (delivery) => html`<li class="grid-row delivery-row" data-key="${delivery.id}" data-testid="delivery" data-outcome="${delivery.outcome}">
  <div><span class="badge" data-state="${TONES[delivery.outcome]}">${t(`push.outcome.${delivery.outcome}`)}</span></div>
  ${came(delivery)}
  <div class="hint">${delivery.forge ? known(`push.forge.${delivery.forge}`, delivery.forge) : t(delivery.event === "deploy_hook" ? "push.hook_title" : "push.unknown")}</div>
  <div class="hint">${since(delivery.received_at)}</div></li>`;

const history = ({ items, next }) =>
  items.length
    ? html`<div class="grid-list"><div class="grid-row grid-head eyebrow delivery-row" aria-hidden="true"><span>${t("push.outcome")}</span>
        <span>${t("push.what")}</span><span>${t("push.from")}</span><span>${t("push.when")}</span></div>
        <ul data-testid="deliveries">${items.map(deliveryRow)}</ul></div>
        ${next && html`<button class="button" type="button" data-action="push.more">${t("list.more")}</button>`}`
    : html`<div class="card state">${scene("calm")}<h3>${t("push.none")}</h3><p>${t("push.none_text")}</p></div>`;

function draw() {
  const { root, push } = view;
  render(root.querySelector("[data-part=webhook]"), webhook(push));
  render(root.querySelector("[data-part=hook]"), address(push));
  // What a person did to the box outweighs the attribute.
  root.querySelector("#push-enabled").checked = push.enabled;
}

const watched = (push) => html`<form class="card stack" data-action="push.watch" data-testid="watch-form" novalidate>
  <h2 id="watch-title">${t("push.watch_title")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="watch-paths">${t("push.watch_paths")} <span class="muted">${t("form.optional")}</span></label>
    <textarea class="input mono" id="watch-paths" name="watch_paths" rows="4" spellcheck="false" placeholder="apps/web/&#10;!**/*.md" aria-describedby="watch-hint">${push.watch_paths.length > 0 && `\n${push.watch_paths.join("\n")}`}</textarea>
    <p class="hint" id="watch-hint">${t("push.watch_hint")}</p></div>
  <div class="row"><button class="button primary" type="submit">${t("form.save")}</button></div></form>`;

export async function open(root, { service, signal }) {
  const path = `/services/${service.id}/push`;
  const [push] = await Promise.all([get(path, {}, signal), loadTexts("push")]);
  view = { root, path, push };
  render(
    root,
    html`<div data-part="webhook"></div>${watched(push)}<div data-part="previews"></div><div data-part="statuses"></div><div data-part="hook"></div>
      <section class="stack" aria-labelledby="deliveries-title"><h2 id="deliveries-title">${t("push.deliveries")}</h2><div class="stack" data-part="deliveries"></div></section>`,
  );
  draw();
  const place = root.querySelector("[data-part=deliveries]");
  const load = (page) => get(`${path}/deliveries`, page, signal);
  view.list = pages({ load, show: (shown) => render(place, history(shown)), signal });
  const parts = { previews, statuses };
  const opened = Object.entries(parts).map(([name, part]) => part.open(root.querySelector(`[data-part=${name}]`), { service, signal }));
  await Promise.all([view.list.reload(), ...opened]);
}

async function reload() {
  view.push = await get(view.path);
  draw();
}

async function once(what) {
  const [{ showOnce }] = await Promise.all([import("/js/user/once.js"), loadTexts("applications")]);
  showOnce(what);
}

async function renewSecret() {
  const made = await post(`${view.path}/secret`);
  await reload();
  return () =>
    once({
      title: t("push.secret_made"),
      also: { label: t("push.url"), value: made.url },
      secret: { label: t("push.secret"), value: made.secret },
    });
}

/** One pattern a line; the server names the place of one that is none. */
async function saveWatched(form) {
  const lines = values(form).watch_paths.split("\n").map((line) => line.trim()).filter(Boolean);
  try {
    view.push = await patch(view.path, { watch_paths: lines });
  } catch (error) {
    for (const one of error.errors ?? []) {
      if (one.code === "pattern_invalid") one.message = t("push.watch_wrong", { pattern: lines[one.loc[2]] });
      one.loc = one.loc.slice(0, 2);
    }
    throw error;
  }
  draw();
  toast(t("push.watch_saved"));
}

export const actions = {
  ...previews.actions,
  ...statuses.actions,
  "push.copy": async (button) => {
    await copy(button.dataset.value);
    toast(t("push.copied"));
  },
  "push.toggle": async (box) => {
    const enabled = box.checked;
    let shown = null;
    try {
      if (enabled && !view.push.webhook) shown = await renewSecret();
      view.push = await patch(view.path, { enabled });
      toast(t(enabled ? "push.is_on" : "push.is_off"));
    } finally {
      draw();
      await shown?.();
    }
  },
  "push.renew_secret": async () => {
    const sure = await ask({ title: t("push.new_secret_title"), text: t("push.new_secret_text"), confirm: t("push.new_secret") });
    if (sure) await (await renewSecret())();
  },
  "push.watch": (form) => submit(form, () => saveWatched(form)),
  "push.renew_address": async () => {
    const sure = !view.push.deploy_hook || (await ask({ title: t("push.hook_new_title"), text: t("push.hook_new_text"), confirm: t("push.hook_new") }));
    if (!sure) return;
    const { url } = await post(`${view.path}/deploy-hook`);
    await reload();
    await once({
      title: t("push.hook_ready"),
      also: { label: t("push.hook_address"), value: url },
      secret: { label: t("push.example"), value: `curl -X POST ${url}` },
    });
  },
  "push.revoke": async () => {
    const sure = await ask({ title: t("push.revoke_title"), text: t("push.revoke_text"), confirm: t("push.hook_revoke") });
    if (!sure) return;
    await remove(`${view.path}/deploy-hook`);
    await reload();
    toast(t("push.revoked"));
  },
  "push.more": () => view.list.more(),
};
