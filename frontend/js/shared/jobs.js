/** The list of jobs: one's own, or for administrators everybody's. */

import { chosenProject, get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, scene, since } from "/js/core/dom.js";
import { duration, t } from "/js/core/i18n.js";
import { inShort } from "/js/shared/reasons.js";
import { jobBadge, kindName, progressBar } from "/js/shared/voyage.js";

const KINDS = ["service.deploy", "service.rollback", "service.start", "service.stop", "service.restart", "service.suspend", "service.delete", "domain.check", "domain.certificate", "domain.remove", "payment.collect", "payment.refund", "payment.setup"];
const SECONDS = 3;
let view = null;

const running = ({ state }) => state === "running" || state === "queued";

const jobRow = (job) => html`<li class="grid-row" data-key="${job.id}" data-testid="job-row" data-job-state="${job.state}">
  <div><a class="row-name" href="/jobs/${job.id}">${kindName(job.kind)}</a>
    ${job.service && html`<a class="row-link" href="/services/${job.service.id}">${job.service.name}</a>`}</div>
  <div>${jobBadge(job.state)}</div>
  <div>${running(job) ? progressBar(job) : job.error ? html`<span class="hint reason">${inShort(job.error)}</span>` : ""}</div>
  <div class="hint">${since(job.created_at)}${job.started_at && html`<br>${duration(job.started_at, job.finished_at)}`}</div></li>`;

export const jobTable = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow" aria-hidden="true"><span>${t("jobs.job")}</span><span>${t("jobs.state")}</span>
    <span>${t("jobs.progress")}</span><span>${t("jobs.when")}</span></div><ul>${items.map(jobRow)}</ul></div>`;

function show({ items, next }) {
  const empty = html`<div class="card state">${scene("calm")}<h2>${t("jobs.empty")}</h2><p>${t("jobs.empty_text")}</p></div>`;
  render(view.part("list"), items.length ? jobTable(items) : empty);
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal, admin, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const filters = { state: query.state ?? "", kind: query.kind ?? "" };
  const narrowed = admin ? {} : { project_id: chosenProject() };
  const load = (page) => get(admin ? "/admin/jobs" : "/jobs", { ...view.filters, ...narrowed, ...page }, signal);
  view = { part, filters };
  view.list = pages({ load, show, signal, seconds: SECONDS });
  const kinds = root.querySelector("[name=kind]");
  kinds.append(...KINDS.map((kind) => new Option(kindName(kind), kind)));
  for (const [field, value] of Object.entries(filters)) root.querySelector(`[name=${field}]`).value = value;
  if (admin) {
    part("title").textContent = t("nav.admin_jobs");
    name(t("nav.admin_jobs"));
  }
  await view.list.reload();
}

export const actions = {
  "jobs.filter": (field) => {
    view.filters[field.name] = field.value;
    noteInAddress(view.filters);
    return view.list.reload();
  },
  "jobs.more": () => view.list.more(),
};
