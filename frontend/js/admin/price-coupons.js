/** Coupons as their operator keeps them: what each takes off, how often it was used. */

import { get, post, remove } from "/js/core/api.js";
import { html, icon, pages, render } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { values } from "/js/shared/form.js";
import { minorOf, money } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

const NUMBERS = ["months", "uses_limit", "uses_per_project"];
let view = null;

const worth = (one) =>
  one.kind === "percent"
    ? t("prices.worth_percent", { percent: one.percent })
    : t("prices.worth_amount", { amount: money(one.amount_minor, one.currency) });

const used = ({ uses, uses_limit: limit }) =>
  limit ? t("prices.used_of", { uses, limit }) : t("prices.used", { uses });

const duration = ({ months }) => (months ? t("prices.for_months", { count: months }) : t("prices.forever"));

const limits = (one) =>
  [one.first_order && t("prices.first_only"), one.expires_at && t("prices.expires", { date: dateTime(one.expires_at) }), one.note]
    .filter(Boolean)
    .join(" · ");

const row = (one) => html`<li class="grid-row coupon-line" data-key="${one.id}" data-testid="coupon">
  <div><strong class="mono">${one.code}</strong><span class="hint cut">${limits(one)}</span></div>
  <div>${worth(one)} <span class="hint">${duration(one)}</span></div>
  <div class="hint">${used(one)}</div>
  <div>${one.ended_at ? html`<span class="tag" data-state="failed">${t("prices.ended")}</span>` : html`<button class="button quiet" type="button" data-action="coupons.end" data-id="${one.id}" data-code="${one.code}">${icon("trash")}${t("prices.end_coupon")}</button>`}</div></li>`;

const nothing = () =>
  html`<div class="card state"><h3>${t("prices.no_coupons")}</h3><p>${t("prices.no_coupons_text")}</p></div>`;

function show({ items, next }) {
  render(view.part("coupons"), items.length ? html`<div class="grid-list"><ul>${items.map(row)}</ul></div>` : nothing());
  view.part("more").hidden = !next;
}

export async function showCoupons(part, signal) {
  view = { part };
  view.list = pages({ load: (page) => get("/admin/billing/coupons", page, signal), show, signal });
  await view.list.reload();
}

const text = (name, label, more = {}) => html`<div class="field"><label for="coupon-${name}">${label}</label>
  <input class="input" id="coupon-${name}" name="${name}" autocomplete="off" type="${more.type ?? "text"}" inputmode="${more.mode ?? "text"}" maxlength="${more.longest ?? 200}" value="${more.value ?? ""}"
    ${more.hint && html`aria-describedby="coupon-${name}-hint"`} ${more.required && html`required`} ${more.first && html`autofocus`}>
  ${more.hint && html`<p class="hint" id="coupon-${name}-hint">${more.hint}</p>`}</div>`;

const fields = () => html`${text("code", t("prices.code"), { hint: t("prices.code_hint"), longest: 40, required: true, first: true })}
  <div class="field"><label for="coupon-kind">${t("prices.kind")}</label><select class="input" id="coupon-kind" name="kind">
    <option value="percent">${t("prices.kind_percent")}</option><option value="amount">${t("prices.kind_amount")}</option></select></div>
  <div class="pair">${text("worth", `${t("prices.percent")} / ${t("prices.amount")}`, { mode: "decimal", required: true })}
    ${text("currency", t("prices.currency"), { longest: 3 })}</div>
  <div class="pair">${text("months", t("prices.months"), { mode: "numeric", hint: t("prices.months_hint") })}
    ${text("expires_at", t("prices.expires_at"), { type: "datetime-local" })}</div>
  <div class="pair">${text("uses_limit", t("prices.uses_limit"), { mode: "numeric", hint: t("prices.uses_limit_hint") })}
    ${text("uses_per_project", t("prices.uses_per_project"), { mode: "numeric", value: "1" })}</div>
  <label class="check"><input type="checkbox" name="first_order" value="yes"><span>${t("prices.first_order")}</span></label>
  ${text("note", t("prices.note"))}`;

const whole = (typed) => (/^\d{1,9}$/.test(typed.trim()) ? Number(typed.trim()) : null);

const currencyOf = (typed) => typed.trim().toUpperCase();

const worthOf = ({ kind, worth: typed, currency }) =>
  kind === "percent" ? whole(typed) : currencyOf(currency) && minorOf(typed, currencyOf(currency));

/** What is wrong with it, in words; nothing while the currency that it is of is missing. */
function worthProblem(given) {
  const taken = worthOf(given);
  if (given.kind === "percent") return taken >= 1 && taken <= 100 ? "" : t("prices.percent_bounds");
  return taken === "" || taken > 0 ? "" : t("prices.amount_bounds");
}

function check(form) {
  const { elements } = form;
  for (const name of NUMBERS) {
    const typed = elements[name].value.trim();
    elements[name].setCustomValidity(typed && whole(typed) === null ? t("form.invalid") : "");
  }
  const amount = elements.kind.value === "amount";
  elements.currency.setCustomValidity(amount && !elements.currency.value.trim() ? t("form.required") : "");
  elements.worth.setCustomValidity(worthProblem(values(form)));
}

/** What the form says, as the API takes it. */
function wanted(given) {
  const numbers = NUMBERS.filter((name) => given[name].trim()).map((name) => [name, whole(given[name])]);
  const taken = worthOf(given);
  return {
    code: given.code.trim(),
    kind: given.kind,
    ...(given.kind === "percent" ? { percent: taken } : { amount_minor: taken, currency: currencyOf(given.currency) }),
    ...Object.fromEntries(numbers),
    first_order: given.first_order === "yes",
    expires_at: given.expires_at ? new Date(given.expires_at).toISOString() : null,
    note: given.note.trim(),
  };
}

/** The API has a field for either, the form has one for both. */
function inTheForm(error) {
  for (const one of error.errors ?? []) one.loc = one.loc.map((part) => (["percent", "amount_minor"].includes(part) ? "worth" : part));
  return error;
}

async function make(given) {
  const { code } = await post("/admin/billing/coupons", wanted(given)).catch((error) => {
    throw inTheForm(error);
  });
  toast(t("prices.coupon_made", { code }));
  await view.list.reload();
}

export const couponActions = {
  "coupons.more": () => view.list.more(),
  "coupons.ask": () =>
    askForm(
      {
        title: t("prices.new_coupon"),
        text: t("prices.new_coupon_text"),
        fields: fields(),
        confirm: t("prices.make_coupon"),
        cancel: t("prices.cancel"),
        testid: "coupon-form",
        check,
      },
      make,
    ),
  "coupons.end": async ({ dataset: { id, code } }) => {
    const question = { title: t("prices.end_coupon_title", { code }), text: t("prices.end_coupon_text"), confirm: t("prices.end_coupon") };
    if (!(await ask(question))) return;
    await remove(`/admin/billing/coupons/${id}`);
    toast(t("prices.coupon_ended"));
    await view.list.reload();
  },
};
