/** How what services take is written. */

import { bytes, number, t } from "/js/core/i18n.js";

/** Thousandths of a core as cores. */
export const cores = (millis) =>
  millis === null || millis === undefined ? "—" : t("metrics.cores", { cores: number(millis / 1000, { maximumFractionDigits: millis < 1000 ? 3 : 1 }) });

export const memory = (value) => (value === null || value === undefined ? "—" : bytes(value));

export const rate = (value) => (value === null || value === undefined ? "—" : t("metrics.a_second", { amount: bytes(value) }));
