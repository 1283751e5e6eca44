/** Signing in and registering. The second step and passkeys come from a module of their own, when asked for. */

import { register, signIn } from "/js/core/api.js";
import { navigate, speakAsPreferred } from "/js/core/app.js";
import { currentLanguage } from "/js/core/i18n.js";
import { complete, reveal, submit, values } from "/js/shared/form.js";

/** Only a path of this panel may be returned to: `//host` and `https:` would lead away from it. */
function asked() {
  const next = new URLSearchParams(location.search).get("next") ?? "/services";
  return new URL(next, location.origin).origin === location.origin ? next : "/services";
}

const arrive = async () => {
  await speakAsPreferred();
  await navigate(asked(), { replace: true });
};

const further = () => import("/js/shared/second-step.js");

const enter = async ({ email, password }) => {
  try {
    await signIn(email.trim(), password);
  } catch (error) {
    if (!error.mfa) throw error;
    return (await further()).askFor(error.mfa, arrive);
  }
  return arrive();
};

export async function mount(root) {
  const button = root.querySelector("[data-action='login.passkey']");
  if (button) button.hidden = !window.PublicKeyCredential?.parseRequestOptionsFromJSON;
}

export const actions = {
  "login.submit": (form) => complete(form) && submit(form, () => enter(values(form))),
  "register.submit": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { name, email, password } = values(form);
      const called = name.trim();
      await register({ email: email.trim(), password, locale: currentLanguage(), ...(called && { name: called }) });
      try {
        await enter({ email, password });
      } catch (error) {
        // The address has an account already, or waits to be confirmed: the letter says which.
        if (error.code !== "invalid_grant") throw error;
        await navigate("/check-mail");
      }
    }),
  "login.passkey": async (button) => (await further()).signInByPasskey(button.form, arrive),
  "login.elsewhere": (link, event) => {
    event.preventDefault();
    return navigate(link.pathname + location.search);
  },
  "password.reveal": reveal,
};
