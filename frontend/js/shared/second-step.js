/** The second step of signing in, in place of the form with the password; and signing in by a passkey alone. */

import { ApiError, openly, signInBy } from "/js/core/api.js";
import { html, icon, offer, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { passkeysWork, usePasskey } from "/js/shared/passkeys.js";

const MFA = "urn:gavan:params:oauth:grant-type:mfa";
const PASSKEY = "urn:gavan:params:oauth:grant-type:passkey";
let step = null;

const codeField = () => html`<div class="field"><label for="second-otp">${t("security.code")}</label>
  <input class="input mono" id="second-otp" name="otp" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required autofocus>
  <p class="hint">${t("security.code_hint")}</p></div>
  <button class="button primary" type="submit">${t("login.submit")}</button>`;

const recoveryField = () => html`<div class="field"><label for="second-recovery">${t("security.recovery_code")}</label>
  <input class="input mono" id="second-recovery" name="recovery_code" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="20" required autofocus>
  <p class="hint">${t("security.recovery_code_hint")}</p></div>
  <button class="button primary" type="submit">${t("login.submit")}</button>`;

const passkeyButton = () => html`<p>${t("security.step_passkey")}</p>
  <button class="button primary" type="submit" autofocus>${icon("key")}${t("security.use_passkey")}</button>`;

const FORMS = { otp: codeField, passkey: passkeyButton, recovery_code: recoveryField };

function show() {
  const others = step.methods.filter((method) => method !== step.method);
  // A node that the page's own texts are not put into again.
  const fresh = document.createElement("div");
  fresh.className = "stack";
  fresh.dataset.testid = "second-step";
  render(
    fresh,
    html`<h1 tabindex="-1">${t("security.step_title")}</h1>
      <form class="stack" data-action="second.submit" novalidate>
        <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>${FORMS[step.method]()}</form>
      <div class="stack tight">${others.map(
        (method) => html`<button class="button quiet" type="button" data-action="second.other" value="${method}">${t(`security.step_other.${method}`)}</button>`,
      )}<button class="button quiet" type="button" data-action="second.again">${t("security.step_again")}</button></div>`,
  );
  document.querySelector(".sign-form > .stack").replaceWith(fresh);
  (fresh.querySelector("[autofocus]") ?? fresh.querySelector("h1")).focus();
}

const assertion = async (body) => {
  const { public_key: options } = await openly("/passkeys/options", body);
  return JSON.stringify(await usePasskey(options));
};

async function finish(form) {
  try {
    const factor = step.method === "passkey" ? { passkey: await assertion({ mfa_token: step.token }) } : values(form);
    await signInBy({ grant_type: MFA, mfa_token: step.token, ...factor });
  } catch (error) {
    const expired = ["invalid_grant", "mfa_token_expired"].includes(error.code);
    throw expired ? new ApiError({ status: error.status, code: "mfa_token_expired" }) : error;
  }
  await step.arrive();
}

/** @param {{token:string, methods:string[]}} mfa of the error that the password was answered with */
export async function askFor({ token, methods }, arrive) {
  await loadTexts("security");
  const usable = methods.filter((method) => method !== "passkey" || passkeysWork());
  const offered = step !== null;
  step = { token, arrive, methods: usable.length ? usable : methods, method: (usable.length ? usable : methods)[0] };
  if (!offered) {
    offer({
      "second.submit": (form) => complete(form) && submit(form, () => finish(form)),
      "second.other": (button) => {
        step.method = button.value;
        show();
      },
      "second.again": () => location.reload(),
    });
  }
  show();
}

export async function signInByPasskey(form, arrive) {
  await loadTexts("security");
  await submit(form, async () => {
    const passkey = await assertion({});
    try {
      await signInBy({ grant_type: PASSKEY, passkey });
    } catch (error) {
      throw error.code === "invalid_grant" ? new ApiError({ status: error.status, code: "passkey_refused" }) : error;
    }
    await arrive();
  });
}
