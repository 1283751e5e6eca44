/** The page that the link in an invitation opens: what is offered, and which account would accept it. */

import { post, signOut } from "/js/core/api.js";
import { navigate, refreshAccount } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";
import { takeToken } from "/js/shared/link.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const offered = (offer) => html`<section class="card stack narrow">
  <p class="lead">${
    offer.invited_by
      ? t("invitation.from", { name: offer.invited_by, project: offer.project_name })
      : t("invitation.to", { project: offer.project_name })
  }</p>
  <dl class="facts">
    <div><dt>${t("people.role")}</dt><dd>${t(`people.role.${offer.role}`)}<br><span class="hint">${t(`people.role_hint.${offer.role}`)}</span></dd></div>
    <div><dt>${t("invitation.account")}</dt><dd data-testid="accepting"><strong>${offer.account_name}</strong><br>${offer.account_email}</dd></div>
    <div><dt>${t("invitation.until")}</dt><dd>${dateTime(offer.expires_at)}</dd></div>
  </dl>
  <p class="hint">${t("invitation.account_hint")}</p>
  <div class="row"><button class="button primary" type="button" data-action="invitation.accept" data-testid="accept">${t("invitation.accept")}</button>
    <button class="button" type="button" data-action="invitation.other">${t("invitation.other_account")}</button></div></section>`;

const member = (offer) => html`<section class="card stack narrow"><p class="lead">${t("invitation.member", { project: offer.project_name })}</p>
  <div><a class="button primary" href="/projects/${offer.project_id}">${t("invitation.open")}</a></div></section>`;

const useless = (error) => html`<div class="card state"><h2>${t("invitation.useless")}</h2>
  <p>${known(`problem.${error.code}`, error.message)}</p><a class="button" href="/projects">${t("nav.projects")}</a></div>`;

const lost = () => html`<div class="card state"><h2>${t("invitation.lost")}</h2><p>${t("invitation.lost_text")}</p>
  <a class="button" href="/projects">${t("nav.projects")}</a></div>`;

export async function mount(root) {
  const place = root.querySelector("[data-part=invitation]");
  view = { token: takeToken(), place };
  if (!view.token) return render(place, lost());
  try {
    const offer = await post("/invitations/preview", { token: view.token });
    render(place, offer.member ? member(offer) : offered(offer));
  } catch (error) {
    if (![404, 409, 422].includes(error.status)) throw error;
    // Of what is no link at all the API says which field is wrong; people only need to know that it is.
    render(place, useless(error.status === 422 ? { ...error, code: "invitation_unknown" } : error));
  }
}

export const actions = {
  "invitation.accept": async () => {
    const project = await post("/invitations/accept", { token: view.token });
    await refreshAccount();
    toast(t("invitation.welcome", { name: project.name }));
    await navigate(`/projects/${project.id}`, { replace: true });
  },
  // Signing out leads to the sign-in page, and from there back here.
  "invitation.other": () => signOut(),
};
