/** How a node is shown, in the list and on its own page. */

import { html } from "/js/core/dom.js";
import { bytes, known, number, t } from "/js/core/i18n.js";

const NEARLY_FULL = 0.9;
const TONES = { ready: "running", down: "crashed", unknown: "pending", disconnected: "crashed" };

export const nodeBadges = ({ state, availability }) => html`<span class="row">
  <span class="badge" data-state="${TONES[state] ?? "pending"}">${known(`nodes.state.${state}`, state)}</span>
  ${availability !== "active" && html`<span class="badge" data-state="stopped">${t(`nodes.availability.${availability}`)}</span>`}</span>`;

const meter = (label, taken, all, words) => html`<div class="stack tight"><span class="row between"><span>${label}</span><span class="muted">${words}</span></span>
  <progress class="progress" max="100" value="${all ? Math.min(Math.round((taken / all) * 100), 100) : 0}" data-state="${all && taken / all >= NEARLY_FULL ? "failed" : "running"}" aria-label="${label}"></progress></div>`;

/** Thousandths of a core as cores. */
export const cores = (millis) => t("nodes.cores", { cores: number(millis / 1000) });

const of = (taken, all) => t("nodes.of", { taken, all });

export const capacity = (node) => html`<div class="stack">
  ${meter(t("nodes.memory"), node.sold_memory_bytes, node.memory_bytes, of(bytes(node.sold_memory_bytes), bytes(node.memory_bytes)))}
  ${meter(t("nodes.cpu"), node.sold_cpu_millis, node.cpu_millis, of(number(node.sold_cpu_millis / 1000), cores(node.cpu_millis)))}
  ${
    node.disk
      ? meter(t("nodes.disk"), node.disk.total_bytes - node.disk.free_bytes, node.disk.total_bytes, of(bytes(node.disk.total_bytes - node.disk.free_bytes), bytes(node.disk.total_bytes)))
      : html`<p class="hint">${t("nodes.disk_unknown")}</p>`
  }</div>`;

/** What is told of a node that is emptied, or was and still is. */
export const draining = ({ drain, availability }) =>
  drain &&
  availability === "drain" &&
  drain.state !== "ended" &&
  html`<div class="callout" data-tone="${drain.state === "drained" ? "ok" : "warn"}" role="status" data-testid="drain">
    <p>${drain.state === "drained" ? t("nodes.drained") : t("nodes.moving", { moved: number(drain.moved), units: number(drain.units) })}</p>
    ${drain.state === "moving" && html`<progress class="progress" max="${Math.max(drain.units, 1)}" value="${drain.moved}" data-state="running" aria-label="${t("nodes.availability.drain")}"></progress>`}</div>`;
