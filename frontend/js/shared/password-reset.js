/** A forgotten password: asking for a letter, and choosing a new one by its link. */

import { openly, profile, signOut } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { complete, reveal, submit, values } from "/js/shared/form.js";
import { takeToken } from "/js/shared/link.js";

let view = null;

export async function mount(root) {
  view = { body: root.querySelector("[data-part=body]"), token: takeToken() };
}

function say(title, text, link) {
  render(
    view.body,
    html`<h1 tabindex="-1">${title}</h1><p>${text}</p><div><a class="button primary" href="${link.path}">${link.label}</a></div>`,
  );
  view.body.querySelector("h1").focus();
}

export const actions = {
  "forgot.submit": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { email } = await openly("/users/password-reset", { email: values(form).email.trim() });
      say(t("forgot.sent"), t("forgot.sent_text", { email }), { path: "/login", label: t("forgot.back") });
    }),
  "reset.submit": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { email } = await openly("/users/password-reset/confirm", { ...values(form), token: view.token });
      // Every session has ended, that of this browser too if it was the same account's.
      if (profile()?.email === email) await signOut();
      say(t("reset.done"), t("reset.done_text", { email }), { path: "/login", label: t("login.submit") });
    }),
  "password.reveal": reveal,
};
