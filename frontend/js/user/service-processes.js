/** The processes of a service: how many units of each run, what they cost, and how each of them is. */

import { get, replace } from "/js/core/api.js";
import { html, icon, render, repeat } from "/js/core/dom.js";
import { loadTexts, number, t } from "/js/core/i18n.js";
import { mayDeploy } from "/js/shared/may.js";
import { money } from "/js/shared/money.js";
import { inShort } from "/js/shared/reasons.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 4;
const POLICIES = ["always", "on-failure", "never"];
const TONES = { running: "ok", starting: "busy", backoff: "bad", fatal: "bad", exited: "idle", stopped: "idle" };
let view = null;

const total = (processes) => processes.reduce((sum, { replicas }) => sum + replicas, 0);
const most = (name) => (name === "web" ? Math.min(view.bounds.web, view.bounds.per_process) : view.bounds.per_process);
const changed = () => JSON.stringify(asked()) !== view.stored;

const asked = () => ({
  restart_policy: view.policy,
  processes: view.processes.map(({ name, replicas, command }) => ({ name, replicas, command: command || null })),
});

const unitRow = (unit) => {
  const state = unit.state === "running" && unit.listening === false ? "deaf" : unit.state;
  const why = unit.reason && inShort({ code: unit.reason_code, message: unit.reason, parameters: unit.reason_parameters });
  return html`<li class="row" data-testid="unit"><code>${unit.name}</code> <span class="badge" data-tone="${TONES[state] ?? "bad"}">${t(`processes.state_${state}`)}</span>
    ${why && html`<span class="muted">${why}</span>`}</li>`;
};

const scale = ({ name, replicas }) => html`<div class="row" role="group" aria-label="${t("processes.replicas_of", { name })}">
  <button class="icon-button" type="button" data-action="processes.fewer" data-name="${name}" aria-label="${t("processes.fewer", { name })}" ${replicas <= 0 && html`disabled`}>−</button>
  <output class="mono" data-testid="replicas-${name}" aria-live="polite">${number(replicas)}</output>
  <button class="icon-button" type="button" data-action="processes.more" data-name="${name}" aria-label="${t("processes.more", { name })}" ${(replicas >= most(name) || total(view.processes) >= view.bounds.per_service) && html`disabled`}>${icon("plus")}</button></div>`;

const card = (process) => html`<article class="card stack tight" data-testid="process">
  <div class="row process-head"><h2>${process.name}</h2>${view.may ? scale(process) : html`<span class="muted">${t("processes.units", { count: number(process.replicas) })}</span>`}</div>
  ${view.may
    ? html`<div class="field"><label for="command-${process.name}">${t("processes.command")}</label>
        <input class="input mono" id="command-${process.name}" data-action="processes.command" data-name="${process.name}" maxlength="4000" spellcheck="false" value="${process.command ?? ""}" placeholder="${process.found_command ?? ""}"></div>`
    : html`<p><code>${process.command ?? process.found_command ?? ""}</code></p>`}
  <div data-units="${process.name}"></div></article>`;

const units = (process) =>
  !view.known
    ? html`<p class="hint">${t("processes.unknown")}</p>`
    : process.units.length > 0 && html`<ul class="plain stack tight">${process.units.map(unitRow)}</ul>`;

const adding = () => html`<form class="row process-add" data-action="processes.add" novalidate>
  <label class="unseen" for="new-process">${t("processes.name")}</label>
  <input class="input mono" id="new-process" name="name" maxlength="30" pattern="[A-Za-z][A-Za-z0-9_\\-]*" placeholder="worker" spellcheck="false" autocomplete="off" required>
  <button class="button" type="submit" data-testid="add-process">${icon("plus")}${t("processes.add")}</button></form>`;

const policies = () => html`<div class="field"><label for="restart-policy">${t("processes.restart")}</label>
  <select class="input" id="restart-policy" data-action="processes.policy">${POLICIES.map((one) => html`<option value="${one}" ${one === view.policy && html`selected`}>${t(`processes.restart_${one}`)}</option>`)}</select></div>`;

function draw() {
  const focused = document.activeElement?.closest?.("[data-action]");
  const again = focused && view.root.contains(focused) && `[data-action="${focused.dataset.action}"][data-name="${focused.dataset.name}"]`;
  render(
    view.root,
    html`<p class="hint">${t("processes.about")}</p>${view.bounds.web === 1 && html`<p class="hint">${t("processes.one_web")}</p>`}
    <div class="stack">${view.processes.map(card)}</div>
    ${view.may && html`${adding()}${policies()}<p class="hint">${t("processes.effect")}</p>
      <p data-part="cost" data-testid="scale-cost" aria-live="polite">${view.cost}</p>
      <div class="callout" data-tone="bad" role="alert" data-part="problem" hidden></div>
      <div><button class="button primary" type="button" data-action="processes.save" data-testid="save-processes">${t("processes.save")}</button></div>`}`,
  );
  drawUnits();
  if (again) view.root.querySelector(again)?.focus();
}

function drawUnits() {
  for (const process of view.processes) {
    const place = view.root.querySelector(`[data-units="${process.name}"]`);
    if (place) render(place, units(process));
  }
  const button = view.root.querySelector("[data-action='processes.save']");
  if (button) button.disabled = !changed();
}

/** What further units cost; whoever may not see the project's money sees none. */
async function showCost() {
  const more = total(view.processes) - 1;
  const mine = ++view.turn;
  view.cost = "";
  if (more > 0) {
    try {
      const quote = await get(`/services/${view.id}/addition-preview`, { item: "units", quantity: more }, view.signal);
      if (mine !== view.turn) return;
      if (quote.charged) view.cost = t("processes.cost", { count: number(more), amount: money(quote.month_total_minor, quote.currency) });
    } catch (error) {
      if (error.name !== "ApiError" || error.status === 401) throw error;
    }
  }
  const place = view.root.querySelector("[data-part=cost]");
  if (place && mine === view.turn) place.textContent = view.cost;
}

function take(found) {
  view.bounds = found.bounds;
  view.processes = found.processes;
  view.policy = found.restart_policy;
  view.stored = JSON.stringify(asked());
}

/** How the units are; what is being changed stays. */
async function refresh() {
  const found = await get(`/services/${view.id}/processes`, {}, view.signal);
  view.known = found.units_known;
  if (!changed() && !view.root.contains(document.activeElement)) {
    const before = view.stored;
    take(found);
    if (view.stored !== before) return draw();
  }
  const known = new Map(found.processes.map((process) => [process.name, process.units]));
  for (const process of view.processes) process.units = known.get(process.name) ?? [];
  return drawUnits();
}

export async function open(root, { service, signal, asked: follow }) {
  await loadTexts("processes");
  view = { id: service.id, root, signal, follow, may: mayDeploy(service), turn: 0, cost: "", known: true };
  const found = await get(`/services/${service.id}/processes`, {}, signal);
  view.known = found.units_known;
  take(found);
  draw();
  if (view.may) await showCost();
  repeat(() => refresh().catch(() => {}), SECONDS, signal);
}

const processOf = ({ dataset }) => view.processes.find(({ name }) => name === dataset.name);

async function step(element, by) {
  processOf(element).replicas += by;
  draw();
  await showCost();
}

async function save() {
  const problem = view.root.querySelector("[data-part=problem]");
  problem.hidden = true;
  try {
    const found = await replace(`/services/${view.id}/processes`, asked());
    take({ ...found, processes: found.processes.map((process) => ({ ...process, units: view.processes.find(({ name }) => name === process.name)?.units ?? [] })) });
    draw();
    toast(t("processes.saved"));
    if (found.job_id) await view.follow();
  } catch (error) {
    if (error.name !== "ApiError" || error.status === 401) throw error;
    problem.textContent = error.errors?.[0]?.message ?? error.message;
    problem.hidden = false;
  }
}

export const actions = {
  "processes.more": (element) => step(element, 1),
  "processes.fewer": (element) => step(element, -1),
  "processes.command": (element) => {
    processOf(element).command = element.value.trim() || null;
    drawUnits();
  },
  "processes.policy": (element) => {
    view.policy = element.value;
    drawUnits();
  },
  "processes.add": (form) => {
    const field = form.elements.name;
    const name = field.value.trim();
    const fits = field.checkValidity() && name !== "release" && !view.processes.some((process) => process.name === name);
    if (!fits) return void field.focus();
    view.processes.push({ name, replicas: 0, command: null, found_command: null, units: [] });
    draw();
    view.root.querySelector(`#command-${name}`)?.focus();
  },
  "processes.save": () => save(),
};
