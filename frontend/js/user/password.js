/** Changing the password, on the page of security. */

import { post } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

const field = (id, name, label, autocomplete, rest = "") => html`<div class="field"><label for="${id}">${label}</label>
  <input class="input" id="${id}" name="${name}" type="password" autocomplete="${autocomplete}" required ${rest}></div>`;

/** Fills the place that the page keeps for it. */
export async function showPassword(place) {
  await loadTexts("account");
  place.className = "card stack narrow";
  place.hidden = false;
  render(
    place,
    html`<h2 id="password-title">${t("login.password")}</h2>
      <p class="muted">${t("password.text")}</p>
      <form class="stack" data-action="password.change" data-testid="password-form" aria-labelledby="password-title" novalidate>
        <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
        ${field("current-password", "current_password", t("password.current"), "current-password")}
        ${field("new-password", "password", t("password.new"), "new-password", html`minlength="10" aria-describedby="new-password-hint"`)}
        <p class="hint" id="new-password-hint">${t("register.password_hint")}</p>
        <div><button class="button primary" type="submit">${t("password.change")}</button></div>
      </form>`,
  );
}

export const actions = {
  "password.change": (form) =>
    complete(form) &&
    submit(form, async () => {
      await post("/me/password", values(form));
      form.reset();
      toast(t("password.changed"));
    }),
};
