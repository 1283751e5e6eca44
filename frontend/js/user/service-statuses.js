/** Commit statuses: whether the forge is told what became of its commits, with which token, and how that goes. */

import { get, patch, post } from "/js/core/api.js";
import { html, icon, render, since } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

const FORGES = ["github", "gitlab", "gitea", "bitbucket", "bitbucket_server"];
// How badges are coloured.
const TONES = { queued: "pending", sending: "pending", sent: "up", dead: "failed" };
let view = null;

const trouble = (code, status) => html`${known(`push.status_error.${code}`, code)}${status && html` (HTTP ${status})`}`;

const switchBox = ({ enabled, context, preview_context: preview }) => html`<label class="check"><input type="checkbox" role="switch" id="statuses-enabled" data-action="statuses.toggle" data-testid="statuses-enabled" ${enabled && html`checked`}>
  <span>${t("push.status_enabled")}<br><span class="hint">${t("push.status_enabled_hint")} <code>${context}</code>, <code>${preview}</code></span></span></label>`;

const tokenState = ({ token }) =>
  token
    ? html`<div class="factor"><div><strong data-testid="status-token">${t("push.status_token_set", { host: token.host })}</strong>
        <p class="hint">${t("push.status_token_since")} ${dateTime(token.set_at)}</p></div>
        <button class="button danger" type="button" data-action="statuses.remove_token">${icon("trash")}${t("push.status_token_remove")}</button></div>`
    : html`<p data-testid="status-token">${t("push.status_token_none")}</p>`;

const form = (status) => html`<form class="stack" data-action="statuses.save" data-testid="statuses-form" novalidate>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div data-part="status-token"></div>
  <div class="pair">
    <div class="field"><label for="status-forge">${t("push.status_forge")}</label>
      <select class="input" id="status-forge" name="forge">${FORGES.map((forge) => html`<option value="${forge}" ${forge === status.forge && html`selected`}>${t(`push.forge.${forge}`)}</option>`)}</select></div>
    <div class="field"><label for="status-api">${t("push.status_api")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input mono" id="status-api" name="api_url" inputmode="url" maxlength="300" value="${status.api_url ?? ""}" placeholder="${status.effective_api_url ?? ""}" autocapitalize="off" spellcheck="false"></div>
  </div>
  <div class="pair">
    <div class="field"><label for="status-new-token">${t(status.token ? "push.status_token_new" : "push.status_token")}</label>
      <input class="input mono" id="status-new-token" name="token" type="password" autocomplete="off" maxlength="4000" aria-describedby="status-token-hint">
      <p class="hint" id="status-token-hint">${t("push.status_token_hint")}</p></div>
    <div class="field"><label for="status-username">${t("push.status_username")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input" id="status-username" name="username" value="${status.username}" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="200" aria-describedby="status-username-hint">
      <p class="hint" id="status-username-hint">${t("push.status_username_hint")}</p></div>
  </div>
  ${(status.source_token_fits || status.use_source_token) && html`<label class="check"><input type="checkbox" name="use_source_token" ${status.use_source_token && html`checked`}>
    <span>${t("push.status_source_token")}<br><span class="hint">${t("push.status_source_token_hint")}</span></span></label>`}
  <div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
    <button class="button" type="button" data-action="statuses.check" data-testid="check-status-token">${icon("check")}${t("push.status_check")}</button></div>
  <div data-part="status-check" aria-live="polite"></div></form>`;

const last = ({ last: one }) =>
  one &&
  html`<p data-testid="status-last"><span class="badge" data-state="${TONES[one.delivery]}">${t(`push.delivery.${one.delivery}`)}</span>
    <code>${one.commit.slice(0, 7)}</code> ${t(`push.said.${one.said}`)} · <code>${one.context}</code> · ${since(one.sent_at ?? one.changed_at)}
    ${one.error_code && html`<br><span class="hint">${trouble(one.error_code, one.http_status)} ${t("push.status_attempts", { count: one.attempts })}</span>`}</p>`;

function draw() {
  const { root, status } = view;
  render(root.querySelector("[data-part=status-switch]"), switchBox(status));
  root.querySelector("#statuses-enabled").checked = status.enabled;
  render(root.querySelector("[data-part=status-token]"), tokenState(status));
  render(root.querySelector("[data-part=status-last]"), html`${last(status)}`);
}

export async function open(root, { service, signal }) {
  const path = `/services/${service.id}/commit-status`;
  const status = await get(path, {}, signal);
  view = { root, path, status };
  render(
    root,
    html`<section class="card stack" aria-labelledby="statuses-title"><h2 id="statuses-title">${t("push.statuses")}</h2>
      <div data-part="status-switch"></div><div data-part="status-last"></div>
      <details data-part="status-details" ${status.enabled && html`open`}><summary>${t("push.status_settings")}</summary>${form(status)}</details></section>`,
  );
  draw();
}

async function change(wanted) {
  view.status = await patch(view.path, wanted);
  draw();
}

function save(sheet) {
  if (!complete(sheet)) return;
  const { forge, api_url: api, username, token, use_source_token: borrowed } = values(sheet);
  return submit(sheet, async () => {
    await change({ forge, api_url: api.trim() || null, username, use_source_token: Boolean(borrowed), ...(token && { token }) });
    sheet.elements.token.value = "";
    toast(t("push.status_saved"));
  });
}

const verdict = ({ ok, error_code: code, http_status: status, may_tell: may }) =>
  html`<div class="callout" data-tone="${ok ? "good" : "bad"}" data-testid="status-verdict"><p>${ok ? t(may ? "push.status_fits" : "push.status_answers") : trouble(code, status)}</p></div>`;

export const actions = {
  "statuses.toggle": async (box) => {
    try {
      await change({ enabled: box.checked });
      toast(t(box.checked ? "push.status_is_on" : "push.status_is_off"));
    } catch (error) {
      view.root.querySelector("[data-part=status-details]").open = true;
      throw error;
    } finally {
      draw();
    }
  },
  "statuses.save": save,
  "statuses.remove_token": async () => {
    await change({ token: null, ...(view.status.use_source_token ? {} : { enabled: false }) });
    toast(t("push.status_token_removed"));
  },
  "statuses.check": async (button) => {
    button.setAttribute("aria-busy", "true");
    try {
      render(view.root.querySelector("[data-part=status-check]"), verdict(await post(`${view.path}/check`)));
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
};
