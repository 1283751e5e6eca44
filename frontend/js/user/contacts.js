/** How to reach the account's person: the e-mail address and the telephone, each with its proof. */

import { post, remove } from "/js/core/api.js";
import { accountChanged } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const problem = html`<div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>`;

const codeField = (id, label) => html`${problem}
  <div class="field"><label for="${id}">${label}</label>
    <div class="row"><input class="input mono code" id="${id}" name="code" inputmode="numeric" autocomplete="one-time-code" minlength="6" maxlength="6" pattern="[0-9]{6}" required>
    <button class="button primary" type="submit">${t("contacts.confirm")}</button></div></div>`;

const unverified = () => html`<div class="stack" data-testid="unverified">
  <p>${t("contacts.unverified_text")}</p>
  <form class="stack tight" data-action="email.confirm" novalidate>${codeField("email-code", t("contacts.email_code"))}</form>
  <div><button class="button" type="button" data-action="email.send_again">${t("contacts.send_again")}</button></div></div>`;

const pendingEmail = (me) => html`<div class="callout" data-tone="warn" data-testid="pending-email">
  <p>${t("contacts.email_pending", { email: me.pending_email })}</p>
  <div><button class="button" type="button" data-action="email.cancel">${t("contacts.email_cancel")}</button></div></div>`;

const emailCard = (me) => html`<h2 id="email-title">${t("login.email")}</h2>
  <div class="row"><strong class="address">${me.email}</strong>
    <span class="tag" data-state="${me.email_verified ? "succeeded" : "failed"}">${t(me.email_verified ? "contacts.verified" : "contacts.unverified")}</span></div>
  ${!me.email_verified && unverified()}
  ${me.pending_email && pendingEmail(me)}
  <details><summary>${t("contacts.email_change")}</summary>
    <form class="stack" data-action="email.change" data-testid="email-form" novalidate>
      ${problem}
      <div class="field"><label for="new-email">${t("contacts.email_new")}</label>
        <input class="input" id="new-email" name="email" type="email" autocomplete="email" inputmode="email" autocapitalize="off" spellcheck="false" required aria-describedby="new-email-hint">
        <p class="hint" id="new-email-hint">${t("contacts.email_hint")}</p></div>
      <div><button class="button primary" type="submit">${t("contacts.email_ask")}</button></div></form></details>`;

const phoneForm = () => html`<form class="stack tight" data-action="phone.add" data-testid="phone-form" novalidate>
  ${problem}
  <div class="field"><label for="new-phone">${t("contacts.phone_number")}</label>
    <input class="input" id="new-phone" name="phone" type="tel" autocomplete="tel" maxlength="40" placeholder="+7 912 345-67-89" required aria-describedby="new-phone-hint">
    <p class="hint" id="new-phone-hint">${t("contacts.phone_hint")}</p></div>
  <div><button class="button" type="submit">${t("contacts.phone_send")}</button></div></form>`;

const phoneCard = (me) => html`<h2 id="phone-title">${t("contacts.phone")}</h2>
  ${me.phone && html`<div class="row"><strong>${me.phone}</strong><span class="tag">${t("contacts.verified")}</span>
    <button class="button" type="button" data-action="phone.remove">${t("contacts.phone_remove")}</button></div>`}
  ${me.pending_phone && html`<div class="stack tight" data-testid="pending-phone"><p>${t("contacts.phone_pending", { phone: me.pending_phone })}</p>
    <form class="stack tight" data-action="phone.confirm" novalidate>${codeField("phone-code", t("contacts.phone_code"))}</form></div>`}
  ${me.phone || me.pending_phone ? html`<details><summary>${t("contacts.phone_other")}</summary>${phoneForm()}</details>` : phoneForm()}`;

export function showContacts(root, me) {
  view = { email: root.querySelector("[data-part=email]"), phone: root.querySelector("[data-part=phone]") };
  show(me);
}

function show(me) {
  // Made anew, so that nothing typed for one state stands in the form of the next.
  for (const [part, card] of [[view.email, emailCard], [view.phone, phoneCard]]) {
    part.replaceChildren();
    render(part, card(me));
  }
}

/** Sends, and shows the account as it is then; the focus goes to the code that is asked for, if any. */
const sends = (call, said) => async (element) => {
  const work = async () => {
    const me = await call(element);
    accountChanged(me);
    show(me);
    if (said) toast(t(said));
    view.phone.querySelector("#phone-code")?.focus();
  };
  if (element.tagName !== "FORM") return work();
  return complete(element) && submit(element, work);
};

export const actions = {
  "email.send_again": sends(() => post("/me/email/verification"), "contacts.sent"),
  "email.confirm": sends((form) => post("/me/email/verification/confirm", values(form)), "contacts.email_confirmed"),
  "email.change": sends((form) => post("/me/email", { email: values(form).email.trim() }), "contacts.sent"),
  "email.cancel": sends(() => remove("/me/email/change"), "contacts.email_kept"),
  "phone.add": sends((form) => post("/me/phone", { phone: values(form).phone.trim() })),
  "phone.confirm": sends((form) => post("/me/phone/confirm", values(form)), "contacts.phone_confirmed"),
  "phone.remove": sends(() => remove("/me/phone"), "contacts.phone_removed"),
};
