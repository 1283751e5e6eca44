/** The runs of a scheduled job, and what one of them printed. */

import { get, post } from "/js/core/api.js";
import { html, icon, render, repeat } from "/js/core/dom.js";
import { dateTime, duration, known, t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { logView } from "/js/shared/log.js";
import { inShort } from "/js/shared/reasons.js";

// How badges are coloured; the words are the run's own.
const TONES = { queued: "pending", running: "building", succeeded: "succeeded", failed: "failed", skipped: "stopped", cancelled: "cancelled", lost: "crashed" };
const OPEN = ["queued", "running"];
const LOG_PAGE = 1000;
const LOG_SECONDS = 1.5;
const SHOWN = 20;

export const runBadge = (state) => html`<span class="badge" data-state="${TONES[state]}" data-testid="run-state" data-run-state="${state}">${t(`cron.state.${state}`)}</span>`;

const why = ({ reason, reason_code: code, reason_parameters: parameters }) =>
  reason && known(`cron.why.${code}`, inShort({ code, message: reason, parameters }), parameters ?? {});

const row = (run, may) => html`<li class="factor" data-key="${run.id}" data-testid="cron-run">
  <div class="stack tight"><div class="row">${runBadge(run.state)}<span>${dateTime(run.scheduled_for ?? run.created_at)}</span>
      ${run.trigger === "manual" && html`<span class="tag">${t("cron.by_hand")}</span>`}</div>
    <span class="hint">${[why(run), run.started_at && t("cron.took", { time: duration(run.started_at, run.finished_at) }), run.release && t("deployment.number", { number: run.release.number })].filter(Boolean).join(" · ")}</span></div>
  <div class="row">${run.started_at && html`<button class="button small" type="button" data-action="cron.log" data-run="${run.id}" data-testid="run-log">${t("cron.log")}</button>`}
    ${may && OPEN.includes(run.state) && html`<button class="button small" type="button" data-action="cron.cancel" data-run="${run.id}">${icon("stop")}${t("cron.cancel")}</button>`}</div></li>`;

/** Puts the newest runs into `place`. */
export async function showRuns(place, job, may, signal) {
  const { items } = await get(`/cron-jobs/${job}/runs`, { size: SHOWN }, signal);
  render(place, items.length ? html`<ul class="stack tight" data-testid="cron-runs">${items.map((run) => row(run, may))}</ul>` : html`<p class="hint">${t("cron.no_runs")}</p>`);
}

function openLog(run, signal) {
  sheet(html`<div class="stack"><h2 id="sheet-title">${t("cron.log_title")}</h2><div data-part="log" data-testid="run-printed"></div>
    <div class="row dialog-buttons"><button class="button" type="button" data-action="cron.dismiss" autofocus>${t("cron.close")}</button></div></div>`, "run-sheet");
  const dialog = document.querySelector("[data-testid=run-sheet]") ?? document.querySelector("dialog[open]");
  const leave = new AbortController();
  dialog.addEventListener("close", () => leave.abort());
  signal.addEventListener("abort", () => leave.abort(), { signal: leave.signal });
  const log = logView(dialog.querySelector("[data-part=log]"), t("cron.log"));
  let after = 0;
  const read = async () => {
    for (;;) {
      const page = await get(`/cron-runs/${run}/log`, { after, size: LOG_PAGE }, leave.signal);
      if (page.lines.length) log.append(page.lines);
      after = page.next;
      if (page.finished) return void leave.abort();
      if (page.lines.length < LOG_PAGE) return undefined;
    }
  };
  const quietly = () => read().catch((error) => error.name !== "AbortError" && console.warn(error));
  quietly();
  repeat(quietly, LOG_SECONDS, leave.signal);
}

export const runActions = (context) => ({
  "cron.log": (button) => openLog(button.dataset.run, context().signal),
  "cron.cancel": async (button) => {
    await post(`/cron-runs/${button.dataset.run}/cancel`);
    await context().changed();
  },
});
