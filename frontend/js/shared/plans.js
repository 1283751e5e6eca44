/** How a plan is told: its price and its limits. */

import { bytes, money, t } from "/js/core/i18n.js";

export const price = (plan) => t("plan.per_month", { price: money(plan.price_minor, plan.currency) });

export const planFacts = (plan) =>
  [
    t("plan.memory", { size: bytes(plan.memory_bytes) }),
    t("plan.cpu", { count: plan.cpu_millis / 1000 }),
    t("plan.disk", { size: bytes(plan.disk_bytes) }),
    t("plan.processes", { count: plan.pids }),
  ].join(" · ");
