/** Amounts of money: the API speaks in integers of a currency's smallest unit, people in whole ones. */

import { number } from "/js/core/i18n.js";

// Those of ISO 4217, as in backend/billing/money.py: browsers disagree about some currencies.
const WITHOUT_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ");
const THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND".split(" ");

/** How many decimals the currency has. */
export const exponentOf = (currency) => (WITHOUT_MINOR.includes(currency) ? 0 : THOUSANDTHS.includes(currency) ? 3 : 2);

const shown = (minor, currency, digits, more) =>
  number(minor / 10 ** exponentOf(currency), {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: exponentOf(currency),
    ...more,
  });

/** A price: without decimals where they are zero. @param {number} minor */
export const money = (minor, currency) =>
  shown(minor, currency, minor % 10 ** exponentOf(currency) === 0 ? 0 : exponentOf(currency));

/** An amount in an account or a table: always with its decimals; `signed` says plus as well. */
export const amount = (minor, currency, { signed = false } = {}) =>
  shown(minor, currency, exponentOf(currency), signed ? { signDisplay: "exceptZero" } : {});

/** Minor units of what was typed, as "12.50", "12,5" or "1 000"; null if it is no amount of the currency. */
export function minorOf(typed, currency) {
  const digits = exponentOf(currency);
  const match = /^([+-]?)(\d+)(?:[.,](\d+))?$/.exec(typed.replace(/[\s\u00a0\u202f]/g, ""));
  const [, sign, whole, part = ""] = match ?? [];
  if (!match || part.length > digits) return null;
  const minor = Number(whole + part.padEnd(digits, "0"));
  return Number.isSafeInteger(minor) ? minor * (sign === "-" ? -1 : 1) : null;
}

/** Minor units as they are typed into a field, as "12.50". */
export const typedOf = (minor, currency) => (minor / 10 ** exponentOf(currency)).toFixed(exponentOf(currency));
