/** Automatic top-up: below which balance, how much, with what, and how much a month at most. */

import { get, remove, replace } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { complete, fieldError, submit, values } from "/js/shared/form.js";
import { amount, minorOf, typedOf } from "/js/shared/money.js";
import { methodWords, refusal } from "/js/shared/payment-parts.js";
import { toast } from "/js/shared/toast.js";

const AMOUNTS = ["threshold", "amount", "monthly_limit"];
let view = null;

const field = (name, value, currency) => html`<div class="field"><label for="auto-${name}">${t(`payments.auto.${name}`, { currency })}</label>
  <input class="input" id="auto-${name}" name="${name}" value="${value}" inputmode="decimal" autocomplete="off" maxlength="16" required></div>`;

const paused = ({ paused_code: code }) =>
  code && html`<div class="callout" data-tone="bad" role="status" data-testid="auto-paused"><strong>${t("payments.auto.paused")}</strong><p>${refusal(code)} ${t("payments.auto.paused_text")}</p></div>`;

function form(wish) {
  const { options, methods } = view;
  const { currency } = options;
  const defaults = { threshold: options.minimum, amount: options.suggestions[0] ?? options.minimum, monthly_limit: (options.suggestions[0] ?? options.minimum) * 5 };
  const given = wish ?? defaults;
  return html`<form class="stack" data-action="auto.save" data-testid="auto-top-up-form" novalidate>
    <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
    ${AMOUNTS.map((name) => field(name, typedOf(given[name], currency), currency))}
    <div class="field"><label for="auto-method">${t("payments.pay_with")}</label>
      <select class="input" id="auto-method" name="method_id">${methods.map(
        (one) => html`<option value="${one.id}" ${one.id === wish?.method_id && html`selected`}>${methodWords(one)}</option>`,
      )}</select></div>
    ${wish && html`<p class="hint">${t("payments.auto.spent", { amount: amount(wish.spent_this_month, currency) })}</p>`}
    <div class="row"><button class="button primary" type="submit">${t(wish ? "form.save" : "payments.auto.on")}</button>
      ${wish && html`<button class="button" type="button" data-action="auto.off">${t("payments.auto.off")}</button>`}</div></form>`;
}

const summary = (wish) => html`<p>${t("payments.auto.is", {
  threshold: amount(wish.threshold, wish.currency),
  amount: amount(wish.amount, wish.currency),
  limit: amount(wish.monthly_limit, wish.currency),
})}</p>`;

export async function showAutomatic(place, given) {
  view = given;
  const { methods, options, mayPay, path, signal } = given;
  const { auto_top_up: wish } = await get(`${path}/auto-top-up`, {}, signal);
  if (!wish && (!mayPay || !options.gateways.length)) return render(place, null);
  render(
    place,
    html`<section class="card stack" data-testid="auto-top-up"><h2>${t("payments.auto.title")}</h2>
      ${wish && paused(wish)}
      <p class="muted">${t("payments.auto.text")}</p>
      ${mayPay ? (methods.length ? form(wish) : html`<p>${t("payments.auto.needs_method")}</p>`) : summary(wish)}</section>`,
  );
}

export const actions = {
  "auto.save": (form) => {
    if (!complete(form)) return null;
    const { currency } = view.options;
    const { method_id: method, ...typed } = values(form);
    const minors = Object.fromEntries(AMOUNTS.map((name) => [name, minorOf(typed[name], currency)]));
    const wrong = AMOUNTS.filter((name) => minors[name] === null || minors[name] < 0);
    for (const name of AMOUNTS) fieldError(form, name, wrong.includes(name) ? t("payments.no_amount") : "");
    if (wrong.length) return null;
    return submit(form, async () => {
      await replace(`${view.path}/auto-top-up`, { ...minors, method_id: method, currency });
      toast(t("payments.auto.saved"));
      await view.changed();
    });
  },
  "auto.off": async () => {
    await remove(`${view.path}/auto-top-up`);
    toast(t("payments.auto.is_off"));
    await view.changed();
  },
};
