/** The second factors: the authenticator app, passkeys and recovery codes, and the dialogs that add them. */

import { get, patch, post, remove } from "/js/core/api.js";
import { html, icon, render, since } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { ask, sheet } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { createPasskey, passkeysWork } from "/js/shared/passkeys.js";
import { toast } from "/js/shared/toast.js";

const ENOUGH_CODES = 3;
let place = null;
let codes = [];

const totpRow = ({ totp }) => html`<li class="factor" data-testid="totp" data-in-use="${totp}">
  <div><h3>${t("security.totp")}</h3><p class="hint">${totp ? t("security.totp_on") : t("security.totp_off")}</p></div>
  ${
    totp
      ? html`<button class="button danger" type="button" data-action="factors.remove_totp">${icon("trash")}${t("security.remove")}</button>`
      : html`<button class="button" type="button" data-action="factors.add_totp">${icon("plus")}${t("security.add")}</button>`
  }</li>`;

const passkeyRow = ({ id, name, synced, created_at: created, last_used_at: used }) => html`<li class="factor inner" data-key="${id}" data-testid="passkey">
  <div><strong class="row-title">${name}</strong>
    <p class="hint">${synced && html`${t("security.passkey_synced")} · `}${t("security.passkey_added")} ${since(created)}${used && html` · ${t("security.last_used")} ${since(used)}`}</p></div>
  <div class="row"><button class="button" type="button" data-action="factors.rename_passkey" value="${id}" data-name="${name}" aria-label="${t("security.rename_named", { name })}">${t("security.rename")}</button>
    <button class="button danger" type="button" data-action="factors.remove_passkey" value="${id}" data-name="${name}" aria-label="${t("security.remove_named", { name })}">${icon("trash")}${t("security.remove")}</button></div></li>`;

const passkeysRow = ({ passkeys }) => html`<li class="factor">
  <div><h3>${t("security.passkeys")}</h3><p class="hint">${passkeysWork() ? t("security.passkeys_text") : t("security.passkeys_unavailable")}</p></div>
  <button class="button" type="button" data-action="factors.add_passkey" ${!passkeysWork() && html`disabled`}>${icon("plus")}${t("security.add")}</button></li>
  ${passkeys.map(passkeyRow)}`;

const codesRow = ({ protected: inUse, recovery_codes: left }) =>
  inUse &&
  html`<li class="factor" data-testid="recovery-codes">
    <div><h3>${t("security.recovery")}</h3>
      <p class="hint">${t("security.recovery_left", { count: left })}</p>
      ${left < ENOUGH_CODES && html`<p class="callout" data-tone="warn">${t("security.recovery_few")}</p>`}</div>
    <button class="button" type="button" data-action="factors.renew_codes">${icon("again")}${t("security.recovery_new")}</button></li>`;

function show(factors) {
  render(
    place,
    html`<p class="callout" data-tone="${factors.protected ? "ok" : "warn"}" data-testid="protection">${factors.protected ? t("security.protected") : t("security.unprotected")}</p>
      <ul class="factors">${totpRow(factors)}${passkeysRow(factors)}${codesRow(factors)}</ul>`,
  );
}

const reload = async (signal) => show(await get("/me/second-factors", {}, signal));

export async function showFactors(target, signal) {
  place = target;
  await reload(signal);
}

const current = () => document.querySelector("dialog.dialog[open]:last-of-type");

const formError = () => html`<div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>`;
const buttons = (label) => html`<div class="row dialog-buttons">
  <button class="button" type="button" data-action="factors.close">${t("dialog.cancel")}</button>
  <button class="button primary" type="submit">${label}</button></div>`;

const enrolment = ({ secret, qr }) => html`<form class="stack" data-action="factors.confirm_totp" novalidate>
  <h2 id="sheet-title">${t("security.totp_title")}</h2>
  <p>${t("security.totp_scan")}</p>
  <img class="qr" src="${qr}" alt="${t("security.totp_qr")}" width="220" height="220">
  <p class="hint">${t("security.totp_secret")} <code class="secret" data-testid="totp-secret">${secret.match(/.{1,4}/g).join(" ")}</code></p>
  ${formError()}
  <div class="field"><label for="totp-code">${t("security.code")}</label>
    <input class="input mono" id="totp-code" name="code" inputmode="numeric" autocomplete="one-time-code" minlength="6" maxlength="10" required autofocus></div>
  ${buttons(t("security.totp_confirm"))}</form>`;

const nameField = (name) => html`${formError()}
  <div class="field"><label for="passkey-name">${t("security.passkey_name")}</label>
    <input class="input" id="passkey-name" name="name" value="${name}" maxlength="100" required autofocus></div>`;

const creation = () => html`<form class="stack" data-action="factors.create_passkey" novalidate>
  <h2 id="sheet-title">${t("security.passkey_title")}</h2>
  <p>${t("security.passkey_text")}</p>
  ${nameField(t("security.passkey_default"))}${buttons(t("security.passkey_create"))}</form>`;

const renaming = (id, name) => html`<form class="stack" data-action="factors.save_passkey" data-id="${id}" novalidate>
  <h2 id="sheet-title">${t("security.rename_title")}</h2>
  ${nameField(name)}${buttons(t("form.save"))}</form>`;

const shownCodes = () => html`<div class="stack">
  <h2 id="sheet-title">${t("security.codes_title")}</h2>
  <p>${t("security.codes_text")}</p>
  <ol class="codes mono" data-testid="codes">${codes.map((code) => html`<li>${code}</li>`)}</ol>
  <div class="row unprinted">
    <button class="button" type="button" data-action="factors.copy_codes">${icon("copy")}<span role="status">${t("security.codes_copy")}</span></button>
    <button class="button" type="button" data-action="factors.save_codes">${icon("down")}${t("security.codes_download")}</button>
    <button class="button" type="button" data-action="factors.print_codes">${t("security.codes_print")}</button></div>
  <div class="row dialog-buttons unprinted"><button class="button primary" type="button" data-action="factors.close">${t("security.codes_kept")}</button></div></div>`;

/** Closes what is open; new recovery codes are shown in its place, and held nowhere else. */
async function done(fresh, message) {
  current()?.close();
  await reload();
  if (!fresh) return void toast(message);
  codes = fresh;
  sheet(shownCodes(), "recovery-dialog").addEventListener("close", () => {
    codes = [];
  });
}

const codesAsText = () => `${t("security.codes_file")}\n${location.origin}\n\n${codes.join("\n")}\n`;

export const actions = {
  "factors.close": () => current().close(),
  "factors.add_totp": async () => void sheet(enrolment(await post("/me/totp")), "totp-dialog"),
  "factors.confirm_totp": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { recovery_codes: fresh } = await post("/me/totp/confirmation", values(form));
      await done(fresh, t("security.totp_added"));
    }),
  "factors.remove_totp": async () => {
    const question = { title: t("security.totp_remove_title"), text: t("security.totp_remove_text"), confirm: t("security.remove") };
    if (!(await ask(question))) return;
    await remove("/me/totp");
    await done(null, t("security.totp_removed"));
  },
  "factors.add_passkey": () => void sheet(creation(), "passkey-dialog"),
  "factors.create_passkey": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { public_key: options } = await post("/me/passkeys/options");
      const credential = await createPasskey(options);
      const { recovery_codes: fresh } = await post("/me/passkeys", { name: values(form).name.trim(), credential });
      await done(fresh, t("security.passkey_done"));
    }),
  "factors.rename_passkey": ({ value, dataset }) => void sheet(renaming(value, dataset.name), "passkey-dialog"),
  "factors.save_passkey": (form) =>
    complete(form) &&
    submit(form, async () => {
      await patch(`/me/passkeys/${form.dataset.id}`, { name: values(form).name.trim() });
      await done(null, t("security.renamed"));
    }),
  "factors.remove_passkey": async ({ value, dataset }) => {
    const question = { title: t("security.passkey_remove_title", { name: dataset.name }), text: t("security.passkey_remove_text"), confirm: t("security.remove") };
    if (!(await ask(question))) return;
    await remove(`/me/passkeys/${value}`);
    await done(null, t("security.passkey_removed"));
  },
  "factors.renew_codes": async () => {
    const question = { title: t("security.recovery_new_title"), text: t("security.recovery_new_text"), confirm: t("security.recovery_new") };
    if (!(await ask(question))) return;
    await done((await post("/me/recovery-codes")).recovery_codes);
  },
  "factors.copy_codes": async (button) => {
    await copy(codes.join("\n"));
    // A toast would lie below the dialog.
    button.lastElementChild.textContent = t("security.codes_copied");
  },
  "factors.save_codes": () => {
    const address = URL.createObjectURL(new Blob([codesAsText()], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: address, download: "gavan-recovery-codes.txt" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  },
  "factors.print_codes": () => print(),
};
