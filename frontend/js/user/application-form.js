/** The forms of one's own applications: registering, changing, a new secret. */

import { get, patch, post } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { showOnce } from "/js/user/once.js";
import { applicationScopes, readScopes, scopeBoxes } from "/js/user/scopes.js";

const CODE = "authorization_code";
const REFRESH = "refresh_token";
const ALONE = "client_credentials";
const GRACES = [0, 1, 24, 168];

export const lines = (text) => text.split(/[\s,]+/).filter(Boolean);

/** Puts what is wrong with one line of a field beside the field, in the panel's language. */
export async function explained(asked) {
  try {
    return await asked;
  } catch (error) {
    for (const one of error.errors ?? []) {
      if (one.loc.length > 2) one.message = t(`applications.wrong.${one.loc[1]}`);
      one.loc = one.loc.slice(0, 2);
    }
    throw error;
  }
}

const box = (name, value, checked, label, hint) => html`<label class="check"><input type="checkbox" name="${name}" value="${value}" ${checked && html`checked`}>
  <span>${label}<br><span class="hint">${hint}</span></span></label>`;

const kinds = () => html`<fieldset class="field"><legend class="label">${t("applications.kind")}</legend>
  <div class="choices">${[true, false].map(
    (secret) => html`<label class="choice"><input type="radio" name="confidential" value="${secret ? "yes" : ""}" ${secret && html`checked`}>
      <span><strong>${t(secret ? "applications.with_secret" : "applications.without_secret")}</strong>
      <span class="hint">${t(secret ? "applications.with_secret_hint" : "applications.without_secret_hint")}</span></span></label>`,
  )}</div></fieldset>`;

const form = (application) => html`<form class="stack" data-action="applications.save" data-testid="application-form" data-id="${application?.id ?? ""}" novalidate>
  <h2 id="sheet-title">${t(application ? "applications.edit_title" : "applications.new")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="application-name">${t("applications.name")}</label>
    <input class="input" id="application-name" name="name" maxlength="100" required autocomplete="off" autofocus value="${application?.name ?? ""}" aria-describedby="application-name-hint">
    <p class="hint" id="application-name-hint">${t("applications.name_hint")}</p></div>
  ${!application && kinds()}
  <fieldset class="field"><legend class="label">${t("applications.ways")}</legend><div class="checks">
    ${box("grants", CODE, application?.grants.includes(CODE) ?? true, t("applications.way_code"), t("applications.way_code_hint"))}
    ${application?.confidential !== false && box("grants", ALONE, application?.grants.includes(ALONE), t("applications.way_alone"), t("applications.way_alone_hint"))}
  </div></fieldset>
  <div class="field"><label for="application-uris">${t("applications.redirect_uris")}</label>
    <textarea class="input mono" id="application-uris" name="redirect_uris" rows="3" spellcheck="false" placeholder="https://app.example.com/callback" aria-describedby="application-uris-hint">${application ? `\n${application.redirect_uris.join("\n")}` : ""}</textarea>
    <p class="hint" id="application-uris-hint">${t("applications.redirect_uris_hint")}</p></div>
  ${scopeBoxes(applicationScopes(), application?.scopes)}
  <div class="row dialog-buttons"><button class="button" type="button" data-action="applications.dismiss">${t("dialog.cancel")}</button>
    <button class="button primary" type="submit">${t(application ? "form.save" : "applications.register")}</button></div></form>`;

const rotation = (id, name) => html`<form class="stack" data-action="applications.renew" data-testid="secret-form" data-id="${id}" novalidate>
  <h2 id="sheet-title">${t("applications.rotate_title", { name })}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="grace">${t("applications.grace")}</label>
    <select class="input" id="grace" name="grace" aria-describedby="grace-hint">${GRACES.map((hours) => html`<option value="${hours}" ${hours === 24 && html`selected`}>${hours ? t("applications.hours", { count: hours }) : t("applications.no_grace")}</option>`)}</select>
    <p class="hint" id="grace-hint">${t("applications.grace_hint")}</p></div>
  <div class="row dialog-buttons"><button class="button" type="button" data-action="applications.dismiss">${t("dialog.cancel")}</button>
    <button class="button primary" type="submit">${t("applications.rotate")}</button></div></form>`;

function read(filled, scopes) {
  const { name, redirect_uris: uris } = values(filled);
  const ways = new FormData(filled).getAll("grants");
  // Staying signed in is a part of letting people sign in.
  const grants = ways.includes(CODE) ? [...ways, REFRESH] : ways;
  return { name: name.trim(), grants, redirect_uris: lines(uris), scopes };
}

const showSecret = (title, id, secret) =>
  showOnce({
    title,
    also: { label: t("applications.client_id"), value: id },
    secret: { label: t("applications.client_secret"), value: secret },
  });

async function save(filled, scopes) {
  const id = filled.dataset.id;
  const body = read(filled, scopes);
  if (id) {
    await explained(patch(`/me/applications/${id}`, body));
    filled.closest("dialog").close();
    return toast(t("applications.saved"));
  }
  const confidential = values(filled).confidential === "yes";
  const made = await explained(post("/me/applications", { ...body, confidential }));
  filled.closest("dialog").close();
  const title = t("applications.made", { name: made.name });
  return made.client_secret ? showSecret(title, made.id, made.client_secret) : toast(title);
}

/** @param {() => Promise<void>} changed what to do after an application was made or changed */
export const applicationActions = (changed) => ({
  "applications.new": () => sheet(form(null), "application-sheet"),
  "applications.edit": async (button) => sheet(form(await get(`/me/applications/${button.value}`)), "application-sheet"),
  "applications.rotate": (button) => sheet(rotation(button.value, button.dataset.name), "secret-sheet"),
  "applications.dismiss": (button) => button.closest("dialog").close(),
  "applications.save": (filled) => {
    if (!complete(filled)) return undefined;
    const scopes = readScopes(filled);
    if (!scopes.length) return undefined;
    return submit(filled, async () => {
      await save(filled, scopes);
      await changed();
    });
  },
  "applications.renew": (filled) =>
    submit(filled, async () => {
      const { client_secret: secret } = await post(`/me/applications/${filled.dataset.id}/secret`, { grace_hours: Number(values(filled).grace) });
      filled.closest("dialog").close();
      showSecret(t("applications.secret_new"), filled.dataset.id, secret);
      await changed();
    }),
});
