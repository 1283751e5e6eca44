/** What a service has beside its plan: how much of it, and what one costs. */

import { html } from "/js/core/dom.js";
import { known, localised, number, t } from "/js/core/i18n.js";
import { money } from "/js/shared/money.js";

/** As `unit`s: `12 GiB`, `3 pcs.` */
export const quantityOf = (count, unit) =>
  unit === "piece" ? t("unit.pieces", { count: number(count) }) : `${number(count)}\u00a0${known(`unit.${unit}`, unit)}`;

/** @param price as text, of one unit */
export const priceOf = ({ id, unit }, price) =>
  t(id === "traffic" ? "addon.per_unit" : "addon.per_month", { price, unit: known(`unit.${unit}`, unit) });

/** What a meter counts, by titles of plans and add-ons. */
export function meterName({ meter, plan_id: plan, addon_id: addon }, titles) {
  const title = localised(titles.get(addon ?? plan)) || addon || plan || meter;
  return meter === "units" ? t("usage.units", { plan: title }) : title;
}

/** The price list in a few lines, in that currency if an add-on is sold in it; nothing without any. */
export function addonList(addons, currency) {
  const lines = addons.flatMap((addon) => {
    const price = addon.prices.find((one) => one.currency === currency) ?? addon.prices[0];
    return price ? [[addon, priceOf(addon, money(price.unit_minor, price.currency))]] : [];
  });
  return lines.length > 0 && html`<summary>${t("addon.beside")}</summary><dl class="quote">${lines.map(
    ([{ id, title }, price]) => html`<div data-testid="addon-${id}"><dt>${localised(title)}${id === "traffic" && html`<span class="hint cut">${t("addon.traffic_hint")}</span>`}</dt><dd>${price}</dd></div>`,
  )}</dl>`;
}
