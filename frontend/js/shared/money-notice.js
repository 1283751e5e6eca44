/** The line above services while a project's money runs out: what is the matter, and what to do about it. */

import { get, profile } from "/js/core/api.js";
import { refreshAccount } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { mayPay } from "/js/shared/billing-tabs.js";
import { STAGES, stageNotice } from "/js/shared/dunning.js";

const troubled = () => (profile()?.projects ?? []).filter(({ billing_stage: stage }) => STAGES.includes(stage));

function worst(only) {
  const found = troubled().filter(({ id }) => !only || id === only);
  return found.sort((a, b) => STAGES.indexOf(a.billing_stage) - STAGES.indexOf(b.billing_stage))[0];
}

/** Fills `place` about the project `only`, or with "" about the one of all that fares worst. */
export async function moneyNotice(place, only, signal) {
  const project = worst(only);
  if (!project) return;
  const [overview] = await Promise.all([get(`/projects/${project.id}/billing/overview`, {}, signal), loadTexts("billing")]);
  if (overview.stage !== project.billing_stage) await refreshAccount();
  if (!STAGES.includes(overview.stage) || signal.aborted) return;
  const several = profile().projects.length > 1 && html`<p class="eyebrow">${t("billing.project_named", { name: project.name })}</p>`;
  render(place, [several, stageNotice(overview, { project, pay: mayPay(project), more: true })]);
  place.hidden = false;
}
