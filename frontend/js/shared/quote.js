/** What something costs before it is ordered: asked of the API, shown as a bill of few lines. */

import { hasPage } from "/js/core/app.js";
import { html } from "/js/core/dom.js";
import { number, t } from "/js/core/i18n.js";
import { amount, exponentOf, money } from "/js/shared/money.js";

const PAYMENTS = "/billing/payments";
const MILLIONTHS = 10_000;

/** Hours cost fractions of the smallest unit: two digits that say something, and no more. */
function perHour(decimal, currency) {
  const value = Number(decimal) / 10 ** exponentOf(currency);
  const digits = { maximumSignificantDigits: 3, minimumFractionDigits: 0 };
  return number(value, { style: "currency", currency, ...(value ? digits : {}) });
}

const line = (label, value, { strong, testid } = {}) => html`<div class="${strong ? "quote-sum" : ""}">
  <dt>${label}</dt><dd ${testid && html`data-testid="${testid}"`}>${value}</dd></div>`;

const lowered = (now, listed, currency) =>
  html`${now < listed && html`<del><span class="unseen">${t("prices.instead_of")} </span>${money(listed, currency)}</del> `}${money(now, currency)}`;

function taxLine({ tax, month_tax_minor: minor, currency }) {
  if (tax.code === "none") return null;
  const rate = number(tax.rate_millionths / MILLIONTHS / 100, { style: "percent", maximumFractionDigits: 2 });
  if (!tax.rate_millionths) return line(t("prices.tax"), t(`prices.tax_of.${tax.code}`));
  const values = { rate, country: tax.country };
  const label = tax.included ? t("prices.tax_included", values) : t("prices.tax_added", values);
  return line(label, amount(minor, currency), { testid: "quote-tax" });
}

const discount = ({ coupon }) =>
  coupon &&
  html`<p class="hint" data-testid="quote-coupon">${coupon.months ? t("prices.coupon_months", { code: coupon.code, count: coupon.months }) : t("prices.coupon_always", { code: coupon.code })}</p>`;

/** The link to the page where money is put on the balance, if there is one. */
const topUp = () => hasPage(PAYMENTS) && html`<a class="button" href="${PAYMENTS}">${t("prices.top_up")}</a>`;

const missing = (quote) =>
  quote.missing_minor > 0 &&
  html`<div class="callout" data-tone="bad" role="status" data-testid="quote-missing"><strong>${t("prices.missing", { amount: amount(quote.missing_minor, quote.currency) })}</strong>
    <p>${t("prices.missing_text")}</p><div>${topUp()}</div></div>`;

/** @param quote of `/orders/preview` or `/services/{id}/plan-preview` */
export function quoteBill(quote) {
  const { currency } = quote;
  const taxed = quote.month_total_minor !== quote.month_minor;
  const lines = [
    line(t("prices.hour"), perHour(quote.hour_minor_decimal, currency), { testid: "quote-hour" }),
    line(t("prices.month"), lowered(quote.month_minor, quote.month_list_minor, currency), { testid: "quote-month" }),
    quote.beside_minor > 0 && line(t("prices.beside"), amount(quote.beside_minor, currency), { testid: "quote-beside" }),
    quote.setup_list_minor > 0 &&
      line(t("prices.setup"), lowered(quote.setup_minor, quote.setup_list_minor, currency), { testid: "quote-setup" }),
    taxLine(quote),
    taxed && line(t("prices.month_total"), amount(quote.month_total_minor, currency)),
    quote.charged && line(t("prices.held"), amount(quote.held_minor, currency), { strong: true, testid: "quote-held" }),
    quote.freed_minor > 0 && line(t("prices.freed"), amount(quote.freed_minor, currency), { testid: "quote-freed" }),
    quote.charged && line(t("prices.after"), amount(quote.balance_after_minor, currency), { testid: "quote-after" }),
  ];
  return html`<dl class="quote">${lines}</dl>${discount(quote)}${missing(quote)}
    <p class="hint">${quote.charged ? t("prices.how") : t("prices.free")}</p>`;
}
