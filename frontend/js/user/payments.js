/** How a project pays: topping up, saved methods, automatic top-up, and all payments with their receipts. */

import { chooseProject, get, profile } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, pages, render, repeat, scene, since, webAddress } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { billingTabs, mayPay } from "/js/shared/billing-tabs.js";
import { sheet } from "/js/shared/dialog.js";
import { download } from "/js/shared/download.js";
import { busily } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";
import { fact, isOpen, paidWith, refusal, stateBadge } from "/js/shared/payment-parts.js";
import { actions as automaticActions, showAutomatic } from "/js/user/auto-top-up.js";
import { actions as methodActions, showMethods } from "/js/user/payment-methods.js";
import { actions as topUpActions, showTopUp } from "/js/user/top-up.js";

const SECONDS = 10;
const RETURN_SECONDS = 2;
let view = null;

const story = (payment) => [
  payment.failure_code && html`<span class="hint">${refusal(payment.failure_code)}</span>`,
  payment.refunded > 0 && html`<span class="hint">${t("payments.refunded", { amount: amount(payment.refunded, payment.currency) })}</span>`,
  payment.dispute && html`<span class="hint">${t(`payments.dispute.${payment.dispute}`)}</span>`,
];

function act(payment) {
  if (payment.state === "succeeded") {
    return html`<button class="button small" type="button" data-action="payments.receipt" data-id="${payment.id}">${t("payments.receipt")}</button>`;
  }
  const go = webAddress(payment.action_url);
  return go && view.mayPay && html`<a class="button small primary" href="${go}" rel="noreferrer">${t("payments.continue")}</a>`;
}

const row = (payment) => html`<li class="grid-row payment-row" data-key="${payment.id}" data-testid="payment-row" data-payment-state="${payment.state}">
  <div><strong class="figure-small">${amount(payment.amount, payment.currency)}</strong>
    <span class="hint cut">${paidWith(payment)}${payment.automatic && html` · ${t("payments.automatic")}`}</span></div>
  <div>${stateBadge(payment)}</div>
  <div class="stack tight">${story(payment)}</div>
  <div class="hint">${since(payment.created_at)}</div>
  <div class="row-end">${act(payment)}</div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head payment-row eyebrow" aria-hidden="true"><span>${t("payments.amount")}</span><span>${t("payments.state")}</span>
    <span></span><span>${t("payments.when")}</span><span></span></div><ul>${items.map(row)}</ul></div>`;

function show({ items, next }) {
  view.items = items;
  const empty = html`<div class="card state">${scene("calm")}<h2>${t("payments.empty")}</h2><p>${t("payments.empty_text")}</p></div>`;
  render(view.part("list"), items.length ? table(items) : empty);
  view.part("more").hidden = !next;
}

function receipt(payment) {
  return html`<div class="stack" data-testid="receipt">
    <h2 id="sheet-title">${t("payments.receipt")}</h2>
    <dl class="facts">
      ${fact(t("payments.amount"), amount(payment.amount, payment.currency))}
      ${fact(t("payments.project"), payment.project.name)}
      ${fact(t("payments.paid_at"), dateTime(payment.succeeded_at))}
      ${fact(t("payments.paid_with"), paidWith(payment))}
      ${payment.refunded > 0 && fact(t("payments.sent_back"), amount(payment.refunded, payment.currency))}
      ${fact(t("payments.number"), html`<span class="mono">${payment.id}</span>`)}
    </dl>
    <p class="hint">${t("payments.receipt_hint")}</p>
    <div class="row dialog-buttons"><button class="button primary" type="button" data-action="payments.paper" data-id="${payment.id}" data-testid="receipt-pdf">${icon("down")}PDF</button>
      <button class="button" type="button" data-action="payments.close">${t("payments.close")}</button></div></div>`;
}

const say = (tone, title, text) => html`<div class="callout" data-tone="${tone}" role="status" data-testid="payment-returned"><strong>${title}</strong>${text && html`<p>${text}</p>`}</div>`;

/** Back from a gateway's page: what became of it is known here a moment later. */
async function welcome({ payment, setup }, signal) {
  const path = payment ? `${view.path}/payments/${payment}` : `${view.path}/payment-method-setups/${setup}`;
  const look = async () => {
    const found = await get(path, {}, signal);
    const place = view.part("returned");
    if (found.state === "succeeded") {
      const text = payment && t("payments.thanks_text", { amount: amount(found.amount, found.currency) });
      render(place, say("ok", t(payment ? "payments.thanks" : "payments.saved"), text));
    } else if (isOpen(found)) {
      const go = webAddress(found.action_url);
      render(place, say("info", t("payments.waiting"), html`${t("payments.waiting_text")} ${go && html`<a href="${go}" rel="noreferrer">${t("payments.continue")}</a>`}`));
    } else {
      render(place, say("bad", t("payments.not_paid"), refusal(found.failure_code)));
    }
    return found;
  };
  let last = await look();
  repeat(async () => {
    if (!isOpen(last)) return;
    last = await look().catch(() => last);
    if (!isOpen(last)) await refresh();
  }, RETURN_SECONDS, signal);
}

const refresh = () => Promise.all([view.list.refresh(), view.methods()]);

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  if ((profile()?.projects ?? []).some(({ id }) => id === query.project)) chooseProject(query.project);
  const project = billingTabs(root);
  if (!project) {
    for (const which of ["top-up", "list"]) render(part(which), html`<p class="muted">${t("billing.no_project")}</p>`);
    return;
  }
  const path = `/projects/${project.id}/billing`;
  view = { part, path, items: [], mayPay: mayPay(project) };
  view.list = pages({ load: (page) => get(`${path}/payments`, page, signal), show, signal, seconds: SECONDS });
  const options = await get(`${path}/payment-options`, {}, signal);
  view.methods = async () => {
    const { items } = await get(`${path}/payment-methods`, {}, signal);
    const given = { options, methods: items, path, mayPay: view.mayPay, project, signal, changed: refresh };
    showTopUp(part("top-up"), given);
    showMethods(part("methods"), given);
    await showAutomatic(part("automatic"), given);
  };
  await Promise.all([view.list.reload(), view.methods()]);
  if (query.payment || query.setup) {
    noteInAddress({});
    await welcome(query, signal);
  }
}

export const actions = {
  ...topUpActions,
  ...methodActions,
  ...automaticActions,
  "payments.more": () => view.list.more(),
  "payments.receipt": async ({ dataset }) => {
    sheet(receipt(view.items.find(({ id }) => id === dataset.id)), "receipt-sheet");
  },
  "payments.paper": (button) =>
    busily(button, () => download(`${view.path}/payments/${button.dataset.id}/receipt`, {}, `receipt-${button.dataset.id}.pdf`)),
  "payments.close": async (button) => button.closest("dialog").close(),
};
