/** Topping up: an amount and a way to pay; where nothing is taken online, how the operator is paid otherwise. */

import { get, post } from "/js/core/api.js";
import { html, render, webAddress } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { complete, fieldError, submit, values } from "/js/shared/form.js";
import { copy } from "/js/shared/copy.js";
import { amount, minorOf, money, typedOf } from "/js/shared/money.js";
import { fact, gatewayName, methodWords, refusal } from "/js/shared/payment-parts.js";
import { toast } from "/js/shared/toast.js";

const PAUSE_MS = 500;
let view = null;

const suggestion = (minor, currency) =>
  html`<button class="button small" type="button" data-action="topup.suggest" data-minor="${minor}">${money(minor, currency)}</button>`;

const ways = ({ options, methods }) => [
  ...methods
    .filter(({ gateway }) => options.gateways.some(({ name }) => name === gateway))
    .map((one) => html`<option value="${one.gateway}:${one.id}">${methodWords(one)}</option>`),
  ...options.gateways.map(({ name }) => html`<option value="${name}:">${t("payments.new_with", { gateway: gatewayName(name) })}</option>`),
];

function form(given) {
  const { options } = given;
  const { currency } = options;
  const limits = { least: money(options.minimum, currency), most: money(options.maximum, currency) };
  return html`<form class="card stack" data-action="topup.pay" data-testid="top-up-form" novalidate>
    <h2>${t("payments.top_up")}</h2>
    <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
    <div class="field"><label for="top-up-amount">${t("payments.amount_in", { currency })}</label>
      <input class="input" id="top-up-amount" name="amount" inputmode="decimal" autocomplete="off" maxlength="16" aria-describedby="top-up-hint" required data-keep>
      <p class="hint" id="top-up-hint">${t("payments.between", limits)}</p></div>
    <div class="row" role="group" aria-label="${t("payments.suggestions")}">${options.suggestions.map((minor) => suggestion(minor, currency))}</div>
    <div class="field"><label for="top-up-way">${t("payments.pay_with")}</label>
      <select class="input" id="top-up-way" name="way" data-action="topup.way">${ways(given)}</select></div>
    <label class="check" data-part="keep"><input type="checkbox" name="keep"><span>${t("payments.keep")}<span class="hint">${t("payments.keep_hint")}</span></span></label>
    <div><button class="button primary" type="submit">${t("payments.pay")}</button></div>
    <p class="hint">${t("payments.elsewhere")}</p></form>`;
}

const bank = (to) => html`<section class="card stack" data-testid="bank-instructions"><h2>${t("payments.bank")}</h2>
  <p>${t("payments.bank_text")}</p>
  <dl class="facts">
    ${to.reference && fact(t("payments.bank_reference"), html`<strong class="mono">${to.reference}</strong> <button class="button small" type="button" data-action="topup.copy" data-text="${to.reference}">${t("payments.copy")}</button>`)}
    ${fact(t("payments.bank_recipient"), to.recipient)}
    ${fact(t("payments.bank_account"), html`<span class="mono">${to.account}</span> <button class="button small" type="button" data-action="topup.copy" data-text="${to.account}">${t("payments.copy")}</button>`)}
    ${fact(t("payments.bank_code"), to.bank_code)}
    ${fact(t("payments.bank_name"), to.bank_name)}
  </dl><p class="hint">${t("payments.bank_hint", { currency: to.currency })}</p></section>`;

const otherwise = ({ contact, ask_at: address }, alone) => html`<section class="card stack" data-testid="pay-otherwise"><h2>${t(alone ? "payments.none" : "payments.otherwise")}</h2>
  <p class="address">${contact || t("payments.none_text")}</p>${!contact && address && html`<p><a href="mailto:${address}">${address}</a></p>`}</section>`;

export function showTopUp(place, given) {
  view = { ...given, place };
  const { options, mayPay } = given;
  if (!mayPay) return render(place, html`<p class="muted">${t("payments.not_yours")}</p>`);
  const online = options.gateways.length > 0;
  render(place, [
    online && form(given),
    options.bank && bank(options.bank),
    (options.contact || (!online && !options.bank)) && otherwise(options, !online && !options.bank),
  ]);
  if (online) offerToKeep();
}

/** Only what is entered anew can be kept. */
function offerToKeep() {
  const [gateway, method] = view.place.querySelector("[name=way]").value.split(":");
  const saves = view.options.gateways.find(({ name }) => name === gateway)?.saves_methods;
  view.place.querySelector("[data-part=keep]").hidden = Boolean(method) || !saves;
}

/** Resolves once the gateway has answered: with where the person has to go, if they have to. */
export async function settled(job, path, signal) {
  for (;;) {
    const { state, error } = await get(`/jobs/${job}`, {}, signal);
    if (state === "failed") throw Object.assign(new Error(refusal(error.code)), { name: "ApiError", status: 409, fields: {} });
    if (state !== "queued" && state !== "running") return get(path, {}, signal);
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

/** Leaves for the gateway's page; it has no script here, and we have none there. */
export function leaveFor(address) {
  const url = webAddress(address);
  if (url) location.assign(url);
  return Boolean(url);
}

export const actions = {
  "topup.suggest": ({ dataset }) => {
    const input = view.place.querySelector("[name=amount]");
    input.value = typedOf(Number(dataset.minor), view.options.currency);
    input.focus();
  },
  "topup.way": async () => offerToKeep(),
  "topup.copy": ({ dataset }) => copy(dataset.text),
  "topup.pay": (form) => {
    if (!complete(form)) return null;
    const { currency } = view.options;
    const { amount: typed, way, keep } = values(form);
    const minor = minorOf(typed, currency);
    if (minor === null) return fieldError(form, "amount", t("payments.no_amount"));
    const [gateway, method] = way.split(":");
    const body = { gateway, amount: minor, currency, ...(method ? { method_id: method } : { save_method: keep === "on" }) };
    return submit(form, async () => {
      const accepted = await post(`${view.path}/payments`, body);
      const payment = await settled(accepted.job_id, `${view.path}/payments/${accepted.payment_id}`, view.signal);
      if (leaveFor(payment.action_url)) return;
      form.reset();
      toast(payment.state === "succeeded" ? t("payments.thanks_text", { amount: amount(payment.amount, currency) }) : t("payments.waiting"));
      await view.changed();
    });
  },
};
