/** What an hour costs: less than the smallest unit of its currency, mostly. */

import { number } from "/js/core/i18n.js";
import { exponentOf } from "/js/shared/money.js";

/** @param {string} minor a decimal number of minor units, as the API gives it */
export const hourly = (minor, currency) =>
  number(Number(minor) / 10 ** exponentOf(currency), {
    style: "currency",
    currency,
    minimumFractionDigits: exponentOf(currency),
    maximumFractionDigits: exponentOf(currency) + 3,
  });
