/** How a plan is told: its price and its limits. */

import { bytes, t } from "/js/core/i18n.js";
import { money } from "/js/shared/money.js";

/** Per month, in that currency if the plan is sold in it, or else in the operator's. */
export function price(plan, currency) {
  const found = plan.prices.find((one) => one.currency === currency);
  const [minor, code] = found ? [found.month_minor, currency] : [plan.price_minor, plan.currency];
  return code ? t("plan.per_month", { price: money(minor, code) }) : "";
}

export const planFacts = (plan) =>
  [
    t("plan.memory", { size: bytes(plan.memory_bytes) }),
    t("plan.cpu", { count: plan.cpu_millis / 1000 }),
    t("plan.disk", { size: bytes(plan.disk_bytes) }),
    t("plan.processes", { count: plan.pids }),
    plan.traffic_bytes && t("plan.traffic", { size: bytes(plan.traffic_bytes) }),
  ]
    .filter(Boolean)
    .join(" · ");
