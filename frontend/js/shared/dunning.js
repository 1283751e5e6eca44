/** How far a project is whose money runs out, in words. */

import { hasPage } from "/js/core/app.js";
import { html } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { amount } from "/js/shared/money.js";

/** From the worst on. */
export const STAGES = ["terminated", "suspended", "grace", "warned"];
const TONES = { warned: "warn", grace: "bad", suspended: "bad", terminated: "bad" };

function text({ stage, next_at: next, runs_out_at: end, due_minor: due, resume_minor: enough, currency }) {
  const until = stage === "warned" ? end : next;
  const open = until || stage === "terminated" ? "" : "_open";
  return t(`billing.stage_text.${stage}${open}`, { date: until && dateTime(until), due: amount(stage === "suspended" ? enough : due, currency) });
}

/** @param overview of `GET /projects/{id}/billing/overview` */
export const stageNotice = (overview, { project, pay, more } = {}) => html`<div class="callout" data-tone="${TONES[overview.stage]}" data-testid="money-notice" data-stage="${overview.stage}" role="status">
  <strong>${t(`billing.stage.${overview.stage}`)}</strong><p>${text(overview)}</p>
  <div class="row">${pay && hasPage("/billing/payments") && html`<a class="button primary" href="/billing/payments?project=${project.id}">${t("billing.top_up")}</a>`}
    ${more && html`<a href="/billing?project=${project.id}">${t("billing.open")}</a>`}</div></div>`;
