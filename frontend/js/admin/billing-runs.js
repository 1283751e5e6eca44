/** What billing's periodic tasks did, and how far they are. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { badge, html, pages, render, scene, since } from "/js/core/dom.js";
import { duration, known, number, t } from "/js/core/i18n.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";

const SECONDS = 5;
const KINDS = ["rating", "invoicing", "dunning", "payments"];
const STATES = { running: "job-running", succeeded: "succeeded", failed: "failed", interrupted: "cancelled" };
let view = null;

const kindName = (kind) => t(`runs.kind.${kind}`);

const counts = ({ counts: done }) => Object.entries(done).map(([name, count]) => `${known(`runs.count.${name}`, name)}: ${number(count)}`).join(" · ");

const bar = (run) => html`<progress class="progress" max="100" value="${run.progress}" data-state="${run.state}" aria-label="${kindName(run.kind)}">${run.progress}%</progress>
  <span class="hint cut">${run.step && known(`runs.step.${run.step}`, run.step)} ${counts(run)}</span>`;

const outcome = (run) => html`<span class="hint">${run.error ?? (counts(run) || t("runs.nothing"))}</span>`;

const state = (run) => (run.state === "interrupted" ? html`<span class="badge" data-state="cancelled">${t("runs.interrupted")}</span>` : badge(STATES[run.state]));

const row = (run) => html`<li class="grid-row" data-key="${run.id}" data-testid="run-row" data-run-state="${run.state}">
  <div><strong class="row-title">${kindName(run.kind)}</strong>${run.period && html`<span class="hint">${run.period}</span>`}</div>
  <div>${state(run)}</div>
  <div>${run.state === "running" ? bar(run) : outcome(run)}</div>
  <div class="hint">${since(run.started_at)}<br>${duration(run.started_at, run.finished_at)}</div></li>`;

const table = (items) => html`<div class="grid-list"><div class="grid-row grid-head eyebrow" aria-hidden="true"><span>${t("runs.kind")}</span>
  <span>${t("jobs.state")}</span><span>${t("runs.done")}</span><span>${t("jobs.when")}</span></div><ul>${items.map(row)}</ul></div>`;

function show({ items, next }) {
  const empty = html`<div class="card state">${scene("calm")}<h2>${t("runs.empty")}</h2><p>${t("runs.empty_text")}</p></div>`;
  render(view.part("list"), items.length ? table(items) : empty);
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal }) {
  adminBillingTabs(root);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, filters: { kind: query.kind ?? "" } };
  view.list = pages({ load: (page) => get("/admin/billing/runs", { ...view.filters, ...page }, signal), show, signal, seconds: SECONDS });
  const choice = root.querySelector("[name=kind]");
  choice.append(...KINDS.map((kind) => new Option(kindName(kind), kind)));
  choice.value = view.filters.kind;
  await view.list.reload();
}

export const actions = {
  "runs.filter": (field) => {
    view.filters.kind = field.value;
    noteInAddress(view.filters);
    return view.list.reload();
  },
  "runs.more": () => view.list.more(),
};
