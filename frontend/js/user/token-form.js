/** The form of a new personal token. */

import { post } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { explained, lines } from "/js/user/application-form.js";
import { showOnce } from "/js/user/once.js";
import { personalScopes, readScopes, scopeBoxes } from "/js/user/scopes.js";

const DAYS = [7, 30, 90, 365];
const DAY_MS = 86_400_000;
// A year to the second would be past the limit when it arrives.
const HASTE_MS = 60_000;

const form = () => html`<form class="stack" data-action="tokens.create" data-testid="token-form" novalidate>
  <h2 id="sheet-title">${t("applications.token_new")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="token-name">${t("applications.name")}</label>
    <input class="input" id="token-name" name="name" maxlength="100" required autocomplete="off" autofocus aria-describedby="token-name-hint">
    <p class="hint" id="token-name-hint">${t("applications.token_name_hint")}</p></div>
  <div class="field"><label for="token-ends">${t("applications.lifetime")}</label>
    <select class="input" id="token-ends" name="days">${DAYS.map((days) => html`<option value="${days}" ${days === 90 && html`selected`}>${t("applications.days", { count: days })}</option>`)}
      <option value="">${t("applications.for_ever")}</option></select></div>
  ${scopeBoxes(personalScopes())}
  <div class="field"><label for="token-networks">${t("applications.networks")} <span class="muted">${t("form.optional")}</span></label>
    <textarea class="input mono" id="token-networks" name="networks" rows="2" spellcheck="false" placeholder="203.0.113.0/24" aria-describedby="token-networks-hint"></textarea>
    <p class="hint" id="token-networks-hint">${t("applications.networks_hint")}</p></div>
  <div class="row dialog-buttons"><button class="button" type="button" data-action="tokens.dismiss">${t("dialog.cancel")}</button>
    <button class="button primary" type="submit">${t("applications.token_make")}</button></div></form>`;

/** @param {() => Promise<void>} changed what to do after a token was made */
export const tokenActions = (changed) => ({
  "tokens.new": () => sheet(form(), "token-sheet"),
  "tokens.dismiss": (button) => button.closest("dialog").close(),
  "tokens.create": (filled) => {
    if (!complete(filled)) return undefined;
    const scopes = readScopes(filled);
    if (!scopes.length) return undefined;
    return submit(filled, async () => {
      const { name, days, networks } = values(filled);
      const until = days && new Date(Date.now() + Number(days) * DAY_MS - HASTE_MS).toISOString();
      const body = { name: name.trim(), scopes, networks: lines(networks), ...(until ? { expires_at: until } : { never_expires: true }) };
      const made = await explained(post("/me/tokens", body));
      filled.closest("dialog").close();
      showOnce({ title: t("applications.token_made", { name: made.name }), secret: { label: t("applications.token"), value: made.token } });
      await changed();
    });
  },
});
