/** What a token may do, in words, and the boxes to choose it by. */

import { profile } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";

/** A permission that is newer than the texts is called by the API's own words, or its name. */
export const scopeWords = (name, otherwise = name) => known(`scopes.${name}`, otherwise);

const SECURITY = "me:security";

/** What a personal token may be given: all that oneself may, but for the account's security. */
export const personalScopes = () => (profile()?.permissions ?? []).filter((name) => name !== SECURITY);

/** What an application may ask for: nothing of the operator's. */
export const applicationScopes = () => personalScopes().filter((name) => !name.startsWith("admin:"));

export function scopeBoxes(offered, chosen = []) {
  const names = [...new Set([...chosen, ...offered])].sort();
  return html`<fieldset class="field scope-boxes"><legend class="label">${t("applications.scopes")}</legend>
    <div class="checks">${names.map(
      (name) => html`<label class="check"><input type="checkbox" name="scopes" value="${name}" ${chosen.includes(name) && html`checked`}>
        <span>${scopeWords(name)} <code class="hint">${name}</code></span></label>`,
    )}</div>
    <p class="field-error" data-scopes-error></p></fieldset>`;
}

/** The chosen names; complains beside the boxes when there are none. */
export function readScopes(form) {
  const chosen = new FormData(form).getAll("scopes");
  form.querySelector("[data-scopes-error]").textContent = chosen.length ? "" : t("applications.scopes_missing");
  if (!chosen.length) form.querySelector("[name=scopes]")?.focus();
  return chosen;
}
