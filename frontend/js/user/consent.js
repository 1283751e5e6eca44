/** An application asks for access: what it wants, who made it, yes or no. */

import { get, post, profile, signOut } from "/js/core/api.js";
import { html, icon, render, since } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { scopeWords } from "/js/user/scopes.js";

const PARAMETERS = ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];
let view = null;

const maker = (who) => (who ? t("consent.made_by", who) : t("consent.made_here"));

/** Where the answer goes: the host, or the whole of what is no web address. */
function destination(uri) {
  const { protocol, host } = new URL(uri);
  return /^https?:$/.test(protocol) ? host : uri;
}

const question = ({ application, scopes, redirect_uri: uri }) => html`<section class="card stack narrow consent" aria-labelledby="consent-title">
  <h1 id="consent-title">${t("consent.title", { name: application.name })}</h1>
  <p class="muted">${maker(application.maker)} ${t("consent.registered")} ${since(application.created_at)}.</p>
  <h2>${t("consent.will")}</h2>
  <ul class="scopes" data-testid="consent-scopes">${scopes.map(({ name, allows }) => html`<li>${icon("check")}<span>${scopeWords(name, allows)}</span></li>`)}</ul>
  <p class="muted">${t("consent.never")}</p>
  <div class="callout" data-tone="warn"><p>${t("consent.sent_to", { host: destination(uri) })}</p></div>
  <p class="hint">${t("consent.as", { email: profile()?.email ?? "" })} <button class="button quiet small" type="button" data-action="consent.other">${t("consent.other")}</button></p>
  <div class="row dialog-buttons">
    <button class="button" type="button" data-action="consent.decide" value="deny" data-testid="deny">${t("consent.deny")}</button>
    <button class="button primary" type="button" data-action="consent.decide" value="approve" data-testid="approve">${t("consent.approve")}</button>
  </div></section>`;

const failure = (text) => html`<section class="card state" role="alert" data-testid="consent-error"><img src="/images/fog.svg" alt="" width="220" height="140">
  <h1>${t("consent.failed")}</h1><p>${text}</p><a class="button" href="/services">${t("consent.home")}</a></section>`;

const done = () => html`<section class="card state" role="status"><h1>${t("consent.done")}</h1><p>${t("consent.done_text")}</p></section>`;

async function answer(decision) {
  const { redirect_to: there } = await post("/me/consent", { decision, ...view.asked });
  // An app on this device may take the answer without the page ever being left.
  if (!/^https?:/.test(there)) render(view.place, done());
  location.assign(there);
}

export async function mount(root, { query, signal }) {
  view = {
    place: root.querySelector("[data-part=consent]"),
    asked: Object.fromEntries(PARAMETERS.filter((name) => query[name]).map((name) => [name, query[name]])),
  };
  if (query.error) return render(view.place, failure(known(`consent.error.${query.error}`, t("consent.error.invalid_request"))));
  try {
    const found = await get("/me/consent", view.asked, signal);
    if (found.remembered) await answer("approve");
    else render(view.place, question(found));
  } catch (error) {
    if (![400, 422].includes(error.status)) throw error;
    render(view.place, failure(known(`consent.error.${error.code}`, t("consent.error.invalid_request"))));
  }
}

export const actions = {
  "consent.decide": async (button) => {
    const buttons = view.place.querySelectorAll("button");
    for (const one of buttons) one.disabled = true;
    try {
      await answer(button.value);
    } catch (error) {
      for (const one of buttons) one.disabled = false;
      throw error;
    }
  },
  "consent.other": () => signOut(),
};
