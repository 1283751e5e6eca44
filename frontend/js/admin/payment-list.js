/** Payments as administrators see them: their refunds and disputes, a refund, and money entered by hand. */

import { get, post } from "/js/core/api.js";
import { html, since } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { projectChoice } from "/js/admin/project-choice.js";
import { askForm } from "/js/shared/ask-form.js";
import { sheet } from "/js/shared/dialog.js";
import { amount, minorOf, typedOf } from "/js/shared/money.js";
import { fact, gatewayName, refusal, stateBadge } from "/js/shared/payment-parts.js";
import { toast } from "/js/shared/toast.js";

const STATES = ["accepted", "pending", "requires_action", "succeeded", "failed", "cancelled", "review"];
const PATH = "/admin/billing/payments";

const theirBadge = (payment) => stateBadge(payment, payment.state === "requires_action" ? t("payments.admin.waits") : undefined);

const row = (payment) => html`<li class="grid-row payment-row" data-key="${payment.id}" data-testid="admin-payment-row">
  <div><strong class="figure-small">${amount(payment.amount, payment.currency)}</strong>
    <a class="hint cut" href="/admin/billing/ledger?project_id=${payment.project.id}">${payment.project.name}</a></div>
  <div>${theirBadge(payment)}</div>
  <div class="stack tight"><span class="hint">${gatewayName(payment.gateway)}${payment.method && html` · ${payment.method}`}${payment.automatic && html` · ${t("payments.automatic")}`}</span>
    ${payment.failure_code && html`<span class="hint">${refusal(payment.failure_code)}</span>`}
    ${payment.refunded > 0 && html`<span class="hint">${t("payments.refunded", { amount: amount(payment.refunded, payment.currency) })}</span>`}
    ${payment.dispute && html`<span class="hint">${t(`payments.dispute.${payment.dispute}`)}</span>`}</div>
  <div class="hint">${since(payment.created_at)}</div>
  <div class="row-end"><button class="button small" type="button" data-action="adminpay.open" data-id="${payment.id}">${t("payments.admin.details")}</button></div></li>`;

export const payments = {
  path: PATH,
  states: STATES,
  words: "payments.state",
  empty: "payments.admin.no_payments",
  table: (items) => html`<div class="grid-list"><div class="grid-row grid-head payment-row eyebrow" aria-hidden="true"><span>${t("payments.amount")}</span><span>${t("payments.state")}</span>
    <span></span><span>${t("payments.when")}</span><span></span></div><ul>${items.map(row)}</ul></div>`,
};

const refunded = (one, currency, payment) => html`<li>${amount(one.amount, currency)} · ${t(`payments.refund.${one.state}`)} · ${dateTime(one.created_at)}
  ${one.state === "pending" && html`<button class="button small" type="button" data-action="adminpay.end" data-id="${payment.id}" data-refund="${one.id}">${t("payments.admin.end_refund")}</button>`}
  <span class="hint">${one.at_gateway ? t("payments.refund.at_gateway") : one.reason}${one.failure_code && html` · ${one.failure_code}`}</span></li>`;

const disputed = (one, currency) => html`<li>${amount(one.amount, currency)} · ${t(`payments.dispute.${one.state}`)} · ${dateTime(one.created_at)} <span class="hint">${one.reason}</span></li>`;

const left = ({ amount: all, refunded: gone, refunding }) => all - gone - refunding;

const DECISIONS = ["return", "accept"];

const decidable = ({ state, taken_amount: taken, taken_currency: inCurrency, currency }) =>
  state === "review" && taken !== null && inCurrency === currency;

const details = (payment) => html`<div class="stack" data-testid="admin-payment">
  <h2 id="sheet-title">${amount(payment.amount, payment.currency)}</h2>
  <div class="row">${theirBadge(payment)}</div>
  <dl class="facts">
    ${payment.taken_amount !== null && fact(t("payments.admin.taken"), amount(payment.taken_amount, payment.taken_currency))}
    ${fact(t("payments.project"), payment.project.name)}
    ${fact(t("payments.admin.gateway"), gatewayName(payment.gateway))}
    ${fact(t("payments.admin.gateway_ref"), payment.gateway_ref && html`<span class="mono">${payment.gateway_ref}</span>`)}
    ${fact(t("payments.paid_with"), payment.method)}
    ${fact(t("payments.admin.reason"), payment.note)}
    ${fact(t("payments.admin.failure"), payment.failure_code)}
    ${fact(t("payments.admin.created"), dateTime(payment.created_at))}
    ${payment.succeeded_at && fact(t("payments.paid_at"), dateTime(payment.succeeded_at))}
    ${fact(t("payments.number"), html`<span class="mono">${payment.id}</span>`)}
  </dl>
  ${payment.refunds.length > 0 && html`<h3>${t("payments.admin.refunds")}</h3><ul class="stack tight">${payment.refunds.map((one) => refunded(one, payment.currency, payment))}</ul>`}
  ${payment.disputes.length > 0 && html`<h3>${t("payments.admin.disputes")}</h3><ul class="stack tight">${payment.disputes.map((one) => disputed(one, payment.currency))}</ul>`}
  <div class="row dialog-buttons">
    <button class="button" type="button" data-action="adminpay.close">${t("payments.close")}</button>
    ${decidable(payment) && DECISIONS.map((decision) => html`<button class="button" type="button" data-action="adminpay.${decision}" data-id="${payment.id}">${t(`payments.admin.${decision}`)}</button>`)}
    ${payment.state === "succeeded" && left(payment) > 0 && html`<button class="button danger" type="button" data-action="adminpay.refund" data-id="${payment.id}">${t("payments.admin.refund")}</button>`}
  </div></div>`;

const reasonField = () => html`<div class="field"><label for="pay-reason">${t("payments.admin.reason")}</label>
  <input class="input" id="pay-reason" name="reason" minlength="3" maxlength="500" autocomplete="off" required></div>`;

/** Minor units, or the words of what is wrong as the form shows them. */
export function typedAmount(typed, currency) {
  const minor = minorOf(typed, currency);
  if (minor === null || minor <= 0) {
    throw Object.assign(new Error(t("payments.no_amount")), { name: "ApiError", status: 422, fields: { amount: t("payments.no_amount") } });
  }
  return minor;
}

const BY_HAND = ["bank_transfer", "manual"];

/** Money that came in otherwise; for the project that is `chosen` already, or for one that is looked for. */
export async function enter(changed, chosen) {
  const question = {
    title: t("payments.admin.manual"),
    text: t("payments.admin.manual_text"),
    fields: html`${projectChoice({ chosen })}
      <div class="pair"><div class="field"><label for="manual-amount">${t("payments.amount")}</label>
        <input class="input" id="manual-amount" name="amount" inputmode="decimal" autocomplete="off" maxlength="16" required></div>
      <div class="field"><label for="manual-currency">${t("payments.currency")}</label>
        <input class="input mono" id="manual-currency" name="currency" value="${chosen?.currency ?? ""}" pattern="[A-Z]{3}" maxlength="3" autocomplete="off" required></div></div>${reasonField()}`,
    confirm: t("payments.admin.enter"),
    cancel: t("dialog.cancel"),
    testid: "manual-form",
  };
  const send = ({ amount: typed, ...rest }) => post(PATH, { ...rest, amount: typedAmount(typed, rest.currency) });
  if (!(await askForm(question, send))) return;
  toast(t("payments.admin.entered"));
  await changed();
}

async function decide(decision, { id }, changed, button) {
  button.closest("dialog").close();
  const payment = await get(`${PATH}/${id}`);
  const { currency } = payment;
  const sums = { amount: amount(payment.taken_amount, currency), asked: amount(payment.amount, currency) };
  const question = {
    title: t(`payments.admin.${decision}_title`, sums),
    text: t(`payments.admin.${decision}_text`, sums),
    fields: reasonField(),
    confirm: t(`payments.admin.${decision}`),
    cancel: t("dialog.cancel"),
    testid: "review-form",
  };
  if (!(await askForm(question, ({ reason }) => post(`${PATH}/${id}/review`, { decision, reason })))) return;
  toast(t(decision === "accept" ? "payments.admin.accepted" : "payments.admin.refund_sent"));
  await changed();
}

async function endRefund({ id }, changed, button) {
  button.closest("dialog").close();
  const payment = await get(`${PATH}/${id}`);
  const refund = payment.refunds.find((one) => one.id === button.dataset.refund);
  const question = {
    title: t("payments.admin.end_refund_title", { amount: amount(refund.amount, payment.currency) }),
    text: t("payments.admin.end_refund_text"),
    fields: html`<div class="field"><label for="refund-outcome">${t("payments.admin.outcome")}</label>
      <select class="input" id="refund-outcome" name="outcome">${["succeeded", "failed"].map((outcome) => html`<option value="${outcome}">${t(`payments.admin.outcome_${outcome}`)}</option>`)}</select></div>${reasonField()}`,
    confirm: t("payments.admin.end_refund"),
    cancel: t("dialog.cancel"),
    testid: "refund-end-form",
  };
  if (!(await askForm(question, (typed) => post(`/admin/billing/refunds/${refund.id}/end`, typed)))) return;
  toast(t("payments.admin.refund_over"));
  await changed();
}

export const actions = {
  "adminpay.accept": (payment, changed, button) => decide("accept", payment, changed, button),
  "adminpay.return": (payment, changed, button) => decide("return", payment, changed, button),
  "adminpay.end": endRefund,
  "adminpay.open": async ({ id }) => {
    sheet(details(await get(`${PATH}/${id}`)), "admin-payment-sheet");
  },
  "adminpay.close": async (_, __, button) => button.closest("dialog").close(),
  "adminpay.refund": async (payment, changed, button) => {
    button.closest("dialog").close();
    const { currency } = payment;
    const question = {
      title: t("payments.admin.refund_title", { amount: amount(payment.amount, currency) }),
      text: t(BY_HAND.includes(payment.gateway) ? "payments.admin.refund_by_hand" : "payments.admin.refund_text"),
      fields: html`<div class="field"><label for="refund-amount">${t("payments.amount_in", { currency })}</label>
        <input class="input" id="refund-amount" name="amount" value="${typedOf(left(payment), currency)}" inputmode="decimal" autocomplete="off" maxlength="16" required></div>${reasonField()}`,
      confirm: t("payments.admin.refund"),
      cancel: t("dialog.cancel"),
      danger: true,
      testid: "refund-form",
    };
    const send = ({ amount: typed, reason }) => post(`${PATH}/${payment.id}/refunds`, { amount: typedAmount(typed, currency), reason });
    if (!(await askForm(question, send))) return;
    toast(t(BY_HAND.includes(payment.gateway) ? "payments.admin.refund_entered" : "payments.admin.refund_sent"));
    await changed();
  },
  "adminpay.manual": (_, changed) => enter(changed),
};
