/** Signing in and registering. */

import { register, signIn } from "/js/core/api.js";
import { navigate, speakAsPreferred } from "/js/core/app.js";
import { currentLanguage } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";

/** Only a path of this panel may be returned to: `//host` and `https:` would lead away from it. */
function asked() {
  const next = new URLSearchParams(location.search).get("next") ?? "/services";
  return new URL(next, location.origin).origin === location.origin ? next : "/services";
}

const enter = async ({ email, password }) => {
  await signIn(email.trim(), password);
  await speakAsPreferred();
  await navigate(asked(), { replace: true });
};

export async function mount() {}

export const actions = {
  "login.submit": (form) => complete(form) && submit(form, () => enter(values(form))),
  "register.submit": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { name, email, password } = values(form);
      const called = name.trim();
      await register({ email: email.trim(), password, locale: currentLanguage(), ...(called && { name: called }) });
      await enter({ email, password });
    }),
  "login.elsewhere": (link, event) => {
    event.preventDefault();
    return navigate(link.pathname + location.search);
  },
  "password.reveal": (button) => {
    const input = button.parentElement.querySelector("input");
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  },
};
