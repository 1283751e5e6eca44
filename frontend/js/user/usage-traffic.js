/** What went through the edge, against what plans include; by service and day. */

import { html } from "/js/core/dom.js";
import { bytes, currentLanguage, number, t } from "/js/core/i18n.js";
import { quantityOf } from "/js/shared/addons.js";
import { day } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";

/** As much as a plan without a limit counts as, or a good part of it. */
const PLENTY = 2 ** 49;

const monthName = (iso) => new Date(iso).toLocaleDateString(currentLanguage(), { month: "long", year: "numeric", timeZone: "UTC" });
const included = ({ included_bytes: size }) => (size >= PLENTY ? t("usage.unlimited") : bytes(size));

function share({ used_bytes: used, included_bytes: size }) {
  if (size >= PLENTY || size === 0) return null;
  return html`<meter class="traffic-meter" min="0" max="1" high="0.9" value="${Math.min(1, used / size)}" aria-label="${t("usage.share", { percent: number(used / size, { style: "percent" }) })}"></meter>`;
}

const further = (one, currency) =>
  one.units > 0 && one.unit_minor !== null ? html`${quantityOf(one.units, "GiB")} · ${amount(one.cost, currency)}` : "—";

const row = (one, currency) => html`<tr data-testid="traffic-row"><th scope="row">${t("usage.of_month", { service: one.service, month: monthName(one.month) })}${share(one)}</th>
  <td class="amount">${bytes(one.used_bytes)}</td><td class="amount">${included(one)}</td>
  <td class="amount">${bytes(one.expected_bytes)}</td><td class="amount">${further(one, currency)}</td></tr>`;

const month = ({ traffic, currency }) => html`<div class="table-scroll"><table class="table" data-testid="usage-traffic"><caption class="eyebrow">${t("usage.traffic")}</caption>
  <thead><tr><th scope="col">${t("usage.service")}</th><th scope="col" class="amount">${t("usage.used")}</th><th scope="col" class="amount">${t("usage.included")}</th>
    <th scope="col" class="amount">${t("usage.expected")}</th><th scope="col" class="amount">${t("usage.further")}</th></tr></thead>
  <tbody>${traffic.map((one) => row(one, currency))}</tbody></table></div>`;

export const trafficDays = (days) => html`<div class="table-scroll"><table class="table"><thead><tr><th scope="col">${t("usage.day")}</th>
    <th scope="col" class="amount">${t("usage.received")}</th><th scope="col" class="amount">${t("usage.sent")}</th><th scope="col" class="amount">${t("usage.requests")}</th></tr></thead>
  <tbody>${days.map((one) => html`<tr data-testid="traffic-day"><th scope="row">${day(one.day)}</th><td class="amount">${bytes(one.received)}</td><td class="amount">${bytes(one.sent)}</td><td class="amount">${number(one.requests)}</td></tr>`)}</tbody></table></div>`;

const daily = ({ service_id: id, service, days }) => html`<details data-key="traffic-${id}"><summary>${service}</summary>${trafficDays([...days].reverse())}</details>`;

/** @param forecast of the month that is; `usage` of the days that are looked at */
export const traffic = (forecast, usage) =>
  (forecast.traffic.length > 0 || usage.traffic.length > 0) &&
  html`<section class="stack" data-testid="traffic">${forecast.traffic.length > 0 && month(forecast)}
    <p class="hint">${t("usage.traffic_text")}</p>${usage.traffic.map(daily)}</section>`;
