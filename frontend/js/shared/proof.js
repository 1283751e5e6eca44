/** One dialog in which whoever is signed in shows a secret again before something dangerous is done. */

import { get, post } from "/js/core/api.js";
import { html, icon, offer, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { passkeysWork, usePasskey } from "/js/shared/passkeys.js";

let asking = null;

const FIELDS = {
  password: () => html`<div class="field"><label for="proof-password">${t("login.password")}</label>
    <input class="input" id="proof-password" name="password" type="password" autocomplete="current-password" required autofocus></div>`,
  otp: () => html`<div class="field"><label for="proof-otp">${t("security.code")}</label>
    <input class="input mono" id="proof-otp" name="otp" inputmode="numeric" autocomplete="one-time-code" minlength="6" maxlength="10" required autofocus></div>`,
  passkey: () => html`<p>${t("security.proof_passkey")}</p>`,
};

const content = (ways, way) => html`<form class="stack" data-action="proof.submit" novalidate>
  <h2 id="sheet-title">${t("security.proof_title")}</h2>
  <p class="muted">${t("security.proof_text")}</p>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  ${FIELDS[way]()}
  <div class="stack tight">${ways
    .filter((other) => other !== way)
    .map((other) => html`<button class="button quiet" type="button" data-action="proof.way" value="${other}">${t(`security.proof_other.${other}`)}</button>`)}</div>
  <div class="row dialog-buttons">
    <button class="button" type="button" data-action="proof.leave">${t("dialog.cancel")}</button>
    <button class="button primary" type="submit">${way === "passkey" && icon("key")}${t("security.proof_submit")}</button>
  </div></form>`;

async function shown(way, form) {
  if (way !== "passkey") return values(form);
  const { public_key: options } = await post("/me/proof/options");
  return { passkey: await usePasskey(options) };
}

async function ask() {
  const [{ totp, passkeys }] = await Promise.all([get("/me/second-factors"), loadTexts("security")]);
  const ways = ["password", totp && "otp", passkeys.length > 0 && passkeysWork() && "passkey"].filter(Boolean);
  let way = ways[0];
  let proved = false;
  const dialog = sheet(content(ways, way), "proof");
  const open = new AbortController();
  offer(
    {
      "proof.submit": (form) =>
        complete(form) &&
        submit(form, async () => {
          await post("/me/proof", await shown(way, form));
          proved = true;
          dialog.close();
        }),
      "proof.way": (button) => {
        way = button.value;
        // Emptied first: what is typed into one field is not another's.
        dialog.replaceChildren();
        render(dialog, content(ways, way));
        dialog.querySelector("[autofocus], [type=submit]").focus();
      },
      "proof.leave": () => dialog.close(),
    },
    open.signal,
  );
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      open.abort();
      answer(proved);
    });
  });
}

/** Whether the person proved it is them; several requests that need it at once share one dialog. */
export function prove() {
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}
