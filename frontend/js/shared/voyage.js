/** The course of a deployment or another job: its steps, its progress bar, its state. */

import { get, post } from "/js/core/api.js";
import { badge, html, icon, render } from "/js/core/dom.js";
import { clock, duration, known, t } from "/js/core/i18n.js";
import { explained, headline } from "/js/shared/reasons.js";
import { follow } from "/js/shared/stream.js";

const STEPS = ["fetching", "building", "releasing", "checking"];
const MARKS = { done: "check", failed: "close" };

/** "running" means different things of a job and of a service, so a job's has a name of its own. */
export const jobBadge = (state) => badge(state === "running" ? "job-running" : state);

export const kindName = (kind) => known(`kind.${kind}`, kind);

const took = (step) => {
  if (!step.started_at) return "";
  return html`<span class="hint" title="${clock(step.started_at)}">${duration(step.started_at, step.finished_at)}</span>`;
};

/** @param {{name:string, state:string, started_at?:string, finished_at?:string}[]} steps */
export const voyage = (steps) => html`<ol class="voyage" data-testid="steps">${steps.map(
  (step) => html`<li data-state="${step.state}" data-step="${step.name}" ${step.state === "active" && html`aria-current="step"`}>
    <span class="buoy">${MARKS[step.state] && icon(MARKS[step.state])}</span>
    <span class="voyage-name">${known(`step.${step.name}`, step.name)}<span class="unseen">, ${t(`step_state.${step.state}`)}</span></span>
    ${took(step)}</li>`,
)}</ol>`;

/** The steps of a deploying job, for places that know only the job. */
function stepsOf(job) {
  const names = job.kind === "service.rollback" ? STEPS.slice(STEPS.indexOf("releasing")) : STEPS;
  const at = job.step === "live" ? names.length : names.indexOf(job.step);
  const over = job.state === "succeeded";
  const here = { running: "active", failed: "failed", cancelled: "failed" }[job.state] ?? "pending";
  return names.map((name, place) => ({ name, state: over || place < at ? "done" : place === at ? here : "pending" }));
}

export const progressBar = (job) =>
  html`<progress class="progress" max="100" value="${job.progress}" data-state="${job.state}"
    aria-label="${kindName(job.kind)}" data-testid="progress">${job.progress}%</progress>`;

/** Shows a job in `target` while it runs; resolves with it when it is over. `beside(job)` adds to its error. */
export async function followJob(target, id, { signal, changed = () => {}, brief = false, beside = () => null }) {
  let job = await get(`/jobs/${id}`, {}, signal);
  const draw = () => {
    render(target, card(job, brief, beside(job)));
    changed(job);
  };
  draw();
  const live = () => !["succeeded", "failed", "cancelled"].includes(job.state);
  let ended = true;
  // A stream also ends when it is old, so its end alone does not mean the job's.
  while (ended && live() && !signal.aborted) {
    ended = await follow(() => `/jobs/${id}/events`, (event, data) => event === "job" && ((job = data), draw()), signal);
    if (!signal.aborted && live()) job = await get(`/jobs/${id}`, {}, signal);
    if (!signal.aborted) draw();
  }
  return job;
}

const card = (job, brief, note) => html`<section class="card stack job-card" aria-label="${t("job.current")}" data-testid="job" data-job-state="${job.state}">
  <div class="page-head">
    <h2>${kindName(job.kind)}</h2>
    <div class="row">${jobBadge(job.state)}
      ${brief && html`<a href="${job.deployment_id ? `/deployments/${job.deployment_id}` : `/jobs/${job.id}`}">${t("job.details")}</a>`}
      ${cancelButton(job)}</div>
  </div>
  ${progressBar(job)}
  ${job.deployment_id && voyage(stepsOf(job))}
  ${brief && job.error && html`<div class="callout" data-tone="bad" role="alert"><strong>${headline(job.error, t("job.failed"))}</strong>${explained(job.error)}${note}</div>`}</section>`;

export const cancelButton = (job) =>
  (job.cancellable || (job.cancel_requested && !job.finished_at)) &&
  html`<button class="button" type="button" data-action="job.cancel" data-job="${job.id}" data-testid="cancel-job"
    ${job.cancel_requested && html`disabled`}>${icon("stop")}${t(job.cancel_requested ? "job.cancelling" : "job.cancel")}</button>`;

export const cancel = (job) => post(`/jobs/${job}/cancel`);

/** Pages that show a cancel button and follow the job offer this action. */
export const cancelAction = { "job.cancel": (button) => cancel(button.dataset.job) };
