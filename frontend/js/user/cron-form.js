/** The form of a scheduled job, new or to be changed, with the next times of what is typed. */

import { get, patch, post, profile } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { complete, fieldError, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { inWords, PRESETS } from "/js/user/schedule-words.js";

const OVERLAPS = ["skip", "queue", "replace"];
const HOUR = 3600;
const MINUTE = 60;

const ownZone = () => profile()?.time_zone || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const zones = () => (Intl.supportedValuesOf ? ["UTC", ...Intl.supportedValuesOf("timeZone")] : ["UTC"]);

const fresh = () => ({
  name: "", schedule: PRESETS[2], time_zone: ownZone(), command: "", overlap: "skip",
  timeout_seconds: HOUR, enabled: true, catch_up: false, notify: true,
});

const check = (name, checked) => html`<label class="check"><input type="checkbox" name="${name}" ${checked && html`checked`}>
  <span>${t(`cron.${name}`)}<br><span class="hint">${t(`cron.${name}_hint`)}</span></span></label>`;

const form = (job) => html`<form class="stack" data-action="cron.save" data-job="${job.id ?? ""}" data-testid="cron-form" novalidate>
  <h2 id="sheet-title">${t(job.id ? "cron.change" : "cron.new")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="cron-name">${t("cron.name")}</label>
    <input class="input" id="cron-name" name="name" maxlength="60" required autocomplete="off" autofocus value="${job.name}"></div>
  <div class="field"><label for="cron-command">${t("cron.command")}</label>
    <textarea class="input mono" id="cron-command" name="command" rows="2" maxlength="4000" required spellcheck="false" placeholder="python manage.py report" aria-describedby="cron-command-hint">${job.command}</textarea>
    <p class="hint" id="cron-command-hint">${t("cron.command_hint")}</p></div>
  <div class="pair"><div class="field"><label for="cron-preset">${t("cron.preset")}</label>
      <select class="input" id="cron-preset" data-action="cron.preset"><option value="">${t("cron.own")}</option>
        ${PRESETS.map((preset) => html`<option value="${preset}" ${preset === job.schedule && html`selected`}>${inWords(preset)}</option>`)}</select></div>
    <div class="field"><label for="cron-schedule">${t("cron.schedule")}</label>
      <input class="input mono" id="cron-schedule" name="schedule" maxlength="100" required autocomplete="off" spellcheck="false" value="${job.schedule}" data-action="cron.preview" aria-describedby="cron-schedule-hint">
      <p class="hint" id="cron-schedule-hint">${t("cron.schedule_hint")}</p></div></div>
  <div class="field"><label for="cron-zone">${t("cron.time_zone")}</label>
    <input class="input" id="cron-zone" name="time_zone" maxlength="64" required autocomplete="off" spellcheck="false" list="cron-zones" value="${job.time_zone}" data-action="cron.preview">
    <datalist id="cron-zones">${zones().map((zone) => html`<option value="${zone}"></option>`)}</datalist></div>
  <div class="callout" data-part="times" data-testid="cron-times" role="status"></div>
  <details><summary>${t("cron.more")}</summary><div class="stack">
    <div class="pair"><div class="field"><label for="cron-overlap">${t("cron.overlap")}</label>
        <select class="input" id="cron-overlap" name="overlap">${OVERLAPS.map((one) => html`<option value="${one}" ${one === job.overlap && html`selected`}>${t(`cron.overlap_${one}`)}</option>`)}</select></div>
      <div class="field"><label for="cron-timeout">${t("cron.timeout")}</label>
        <input class="input" id="cron-timeout" name="timeout_seconds" type="number" min="1" max="1440" step="1" required inputmode="numeric" value="${Math.max(1, Math.round(job.timeout_seconds / MINUTE))}"></div></div>
    ${check("catch_up", job.catch_up)}${check("notify", job.notify)}</div></details>
  <div class="row dialog-buttons"><button class="button" type="button" data-action="cron.dismiss">${t("dialog.cancel")}</button>
    <button class="button primary" type="submit">${t(job.id ? "form.save" : "cron.add")}</button></div></form>`;

async function preview(filled) {
  const { schedule, time_zone: zone } = values(filled);
  const place = filled.querySelector("[data-part=times]");
  for (const name of ["schedule", "time_zone"]) fieldError(filled, name, "");
  try {
    const { times } = await get("/cron-schedules", { schedule, time_zone: zone });
    render(place, html`<strong>${inWords(schedule) ?? t("cron.next_times")}</strong> <span class="hint">${times.slice(0, 3).map((at, index) => html`${index > 0 && " · "}${dateTime(at)}`)}</span>`);
  } catch (error) {
    if (error.name !== "ApiError" || error.status === 401) throw error;
    render(place, t("cron.no_times"));
    for (const [name, message] of Object.entries(error.fields)) fieldError(filled, name.replace(/^query\./, ""), message);
  }
}

function body(filled) {
  const given = values(filled);
  return {
    name: given.name.trim(),
    command: given.command.trim(),
    schedule: given.schedule.trim(),
    time_zone: given.time_zone.trim(),
    overlap: given.overlap,
    timeout_seconds: Number(given.timeout_seconds) * MINUTE,
    catch_up: "catch_up" in given,
    notify: "notify" in given,
  };
}

/** Opens the form; `job` is what is to be changed. */
export function edit(job) {
  sheet(form(job ?? fresh()), "cron-sheet");
  preview(document.querySelector("form[data-action='cron.save']")).catch(() => {});
}

/** @param {() => {service: string, changed: () => Promise<void>}} context where new ones go, and what to do then */
export const formActions = (context) => ({
  "cron.dismiss": (button) => button.closest("dialog").close(),
  "cron.preview": (field) => preview(field.form),
  "cron.preset": (choice) => {
    if (!choice.value) return choice.form.elements.schedule.focus();
    choice.form.elements.schedule.value = choice.value;
    return preview(choice.form);
  },
  "cron.save": (filled) =>
    complete(filled) &&
    submit(filled, async () => {
      const { job } = filled.dataset;
      const { service, changed } = context();
      await (job ? patch(`/cron-jobs/${job}`, body(filled)) : post(`/services/${service}/cron-jobs`, body(filled)));
      filled.closest("dialog").close();
      toast(t(job ? "cron.saved" : "cron.added"));
      await changed();
    }),
});
