/** An order's access to a private repository: a token for an https address, a deploy key for one of ssh. */

import { post } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { fieldError } from "/js/shared/form.js";
import { checkResult, copyKey, keyBox } from "/js/shared/source-access.js";
import { checkRepository, isSsh } from "/js/shared/source.js";

let view = null;
// Outlives the page: the forge was perhaps given it already. One of another project is of no use here.
let made = null;

const tokenFields = () => html`<div class="pair" data-part="token" hidden>
  <div class="field"><label for="source-token">${t("sources.token")}</label>
    <input class="input mono" id="source-token" name="source.token" type="password" autocomplete="off" maxlength="4000" aria-describedby="source-token-hint">
    <p class="hint" id="source-token-hint">${t("sources.token_hint")}</p></div>
  <div class="field"><label for="source-username">${t("sources.username")} <span class="muted">${t("form.optional")}</span></label>
    <input class="input" id="source-username" name="source.username" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="200" aria-describedby="source-username-hint">
    <p class="hint" id="source-username-hint">${t("sources.username_hint")}</p></div></div>`;

const layout = () => html`<div class="field"><label for="source-root">${t("sources.root")} <span class="muted">${t("form.optional")}</span></label>
    <input class="input mono" id="source-root" name="source.root" maxlength="500" placeholder="apps/web" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="source-root-hint">
    <p class="hint" id="source-root-hint">${t("sources.root_hint")}</p></div>
  <div class="stack" data-part="web"><label class="check"><input type="checkbox" id="source-private" name="source.private" data-action="access.private" data-testid="private">
    <span>${t("sources.private")}<span class="hint">${t("sources.private_hint")}</span></span></label>${tokenFields()}</div>
  <div class="stack" data-part="ssh" hidden><div class="stack" data-part="key"></div></div>
  <div class="row"><button class="button" type="button" data-action="access.check" data-testid="check-access">${icon("check")}${t("sources.check")}</button></div>
  <div data-part="result" aria-live="polite"></div>`;

const address = () => view.form.elements["source.repo_url"].value.trim();
const project = () => view.form.elements.project_id.value;
const key = () => (made?.project === project() ? made.key : null);

function drawKey() {
  render(
    view.part("key"),
    key()
      ? html`<p>${t("sources.key_order")}</p>${keyBox(key())}`
      : html`<div class="callout"><p>${t("sources.key_needed")}</p>
          <div><button class="button" type="button" data-action="access.key" data-testid="make-key">${icon("key")}${t("sources.make_key")}</button></div></div>`,
  );
}

/** Fills `place` of the order form; `source` gives what the form says of the source. */
export async function offerAccess(place, form, source) {
  view = null;
  await loadTexts("sources");
  render(place, layout());
  view = { place, form, source, part: (which) => place.querySelector(`[data-part=${which}]`) };
  showAccess();
}

/** Called when the address has changed: what it is read with depends on it. */
export function showAccess() {
  if (!view) return;
  const ssh = isSsh(address());
  view.part("web").hidden = ssh;
  view.part("ssh").hidden = !ssh;
  drawKey();
  const { elements } = view.form;
  elements["source.token"].required = elements["source.private"].checked && !ssh && !view.place.hidden;
  render(view.part("result"), "");
}

/** Whether nothing is missing; puts the focus on the button that makes the key which an ssh address needs. */
export function accessComplete() {
  const missing = view && isSsh(address()) && !key();
  if (missing) {
    drawKey();
    view.part("key").querySelector("button").focus();
  }
  return !missing;
}

/** What the order says of it, beside address and ref. */
export function accessOf(given) {
  if (!view) return {};
  const root = given["source.root"].trim();
  const said = { ...(root && { root }) };
  if (isSsh(address())) return { ...said, ...(key() && { deploy_key_id: key().id }) };
  const token = view.form.elements["source.private"].checked && given["source.token"].trim();
  return token ? { ...said, token, username: given["source.username"].trim() } : said;
}

/** The order was placed: its key is the service's now. */
export const forgetKey = () => (made = null);

export const accessActions = {
  ...copyKey,
  "access.private": (box) => {
    view.part("token").hidden = !box.checked;
    showAccess();
    if (box.checked) view.form.elements["source.token"].focus();
  },
  "access.key": async (button) => {
    if (button.disabled) return;
    button.disabled = true;
    const within = project();
    try {
      made = { project: within, key: await post("/deploy-keys", within ? { project_id: within } : {}) };
    } finally {
      button.disabled = false;
    }
    drawKey();
    view.part("key").querySelector("[data-testid=copy-key]").focus();
  },
  "access.check": async (button) => {
    const input = view.form.elements["source.repo_url"];
    const problem = address() ? checkRepository(input) : t("form.required");
    fieldError(view.form, input.name, problem);
    if (problem) return void input.focus();
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      render(view.part("result"), checkResult(await post("/source-checks", view.source())));
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      render(view.part("result"), html`<div class="callout" data-tone="bad" role="status">${error.message}</div>`);
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
};
