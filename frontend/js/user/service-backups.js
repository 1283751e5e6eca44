/** A service's backups: how they are made, what there is, and the way back. */

import { get, post, profile, remove, replace } from "/js/core/api.js";
import { html, icon, pages, render, repeat, scene, since } from "/js/core/dom.js";
import { dateTime, loadTexts, t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { sizes, stateBadge, why } from "/js/shared/backup-state.js";
import { ask } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";
import { inWords, PRESETS } from "/js/user/schedule-words.js";

const SECONDS = 4;
const SOUND = ["stored", "verified"];
const KEPT = [...SOUND, "unverifiable"];
const OFFERED = 50;
const COUNTS = ["keep_last", "keep_daily", "keep_weekly", "keep_monthly"];
let view = null;

const card = (backup) => html`<article class="card" data-key="${backup.id}" data-backup="${backup.id}" data-testid="backup">
  <div class="page-head"><div class="stack tight"><div class="row"><h3>${dateTime(backup.created_at)}</h3>${stateBadge(backup.state)}</div>
    <p class="muted"><code>${backup.volume_name}</code> · ${t(`backups.by_${backup.trigger}`)} · ${sizes(backup) && html`${sizes(backup)} · `}${since(backup.created_at)}</p>
      ${why(backup) && html`<p class="hint" data-tone="bad">${why(backup)}</p>`}
      ${KEPT.includes(backup.state) && !backup.stopped && html`<p class="hint">${t("backups.was_live")}</p>`}</div>
    <div class="row">${SOUND.includes(backup.state) && html`<button class="button small" type="button" data-action="backups.restore" data-testid="restore">${icon("again")}${t("backups.restore")}</button>`}
      ${!["queued", "running"].includes(backup.state) && html`<button class="button small danger" type="button" data-action="backups.remove" aria-label="${t("backups.remove_of", { at: dateTime(backup.created_at) })}">${icon("trash")}${t("backups.remove")}</button>`}</div></div></article>`;

const nothing = () => html`<div class="card state" data-testid="no-backups">${scene("calm")}<h3>${t("backups.none")}</h3><p>${t("backups.none_text")}</p></div>`;

function planPart() {
  const { plan, volumes } = view;
  if (!plan.available) return html`<div class="callout" data-tone="warn"><p>${t("backups.not_here")}</p></div>`;
  if (!volumes.length) return html`<div class="callout"><p>${t("backups.no_volumes")} <a href="/services/${view.id}/storage">${t("backups.to_storage")}</a></p></div>`;
  const when = inWords(plan.schedule) ?? plan.schedule;
  return html`<section class="card stack tight" data-testid="backup-plan"><div class="page-head"><div class="stack tight"><h3>${t("backups.schedule")}</h3>
      <p>${plan.enabled ? html`<strong>${when}</strong> <span class="hint">${plan.time_zone}</span>` : t("backups.no_schedule")}</p></div>
      <div class="row"><button class="button" type="button" data-action="backups.plan" data-testid="edit-plan">${t("backups.change")}</button></div></div>
    ${plan.enabled && html`<p class="hint">${t("backups.next", { at: dateTime(plan.next_run_at) })} · ${t("backups.keeps", { last: plan.keep_last, daily: plan.keep_daily, weekly: plan.keep_weekly, monthly: plan.keep_monthly })}</p>`}
    ${plan.enabled && plan.failures > 0 && html`<div class="callout" data-tone="warn" role="status"><p>${t("backups.failures", { count: plan.failures })}</p></div>`}
    <p class="hint">${t(plan.stop_app ? "backups.stops" : "backups.live")}</p></section>`;
}

const lastRestore = (one) => html`<div class="callout" data-tone="${one.state === "failed" ? "bad" : ""}" role="status" data-testid="last-restore">
  <p>${t("backups.last_restore", { volume: one.volume_name })} ${stateBadge(one.state)} ${since(one.created_at)}</p>${why(one) && html`<p>${why(one)} ${t("backups.unchanged")}</p>`}</div>`;

async function refresh() {
  const { id, signal, part } = view;
  const [plan, volumes, restores] = await Promise.all([
    get(`/services/${id}/backup-plan`, {}, signal),
    get(`/services/${id}/volumes`, {}, signal),
    get(`/services/${id}/restores`, {}, signal),
  ]);
  const seen = JSON.stringify([plan, volumes.items.map((one) => one.id), restores]);
  if (seen === view.seen) return;
  Object.assign(view, { plan, seen, volumes: volumes.items.filter((one) => !one.removal_requested_at) });
  part("make").hidden = !plan.available || !view.volumes.length;
  render(part("plan"), html`${restores.items.length > 0 && lastRestore(restores.items[0])}${planPart()}`);
}

function show({ items, next: more }) {
  view.items = items;
  const possible = view.plan.available && view.volumes.length > 0;
  render(view.part("list"), items.length ? items.map(card) : possible ? nothing() : "");
  view.part("more").hidden = !more;
}

export async function open(root, { service, signal }) {
  await Promise.all([loadTexts("backups"), loadTexts("cron")]);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { id: service.id, project: service.project_id, signal, part, items: [], volumes: [], plan: null, seen: "" };
  render(
    root,
    html`<div class="page-head"><div><h2>${t("service.tab_backups")}</h2><p class="muted">${t("backups.about")}</p></div>
        <div class="row" data-part="make" hidden><button class="button" type="button" data-action="backups.bring" data-testid="bring-backup">${icon("again")}${t("backups.bring")}</button>
          <button class="button primary" type="button" data-action="backups.make" data-testid="make-backup">${icon("plus")}${t("backups.make")}</button></div></div>
      <div class="stack" data-part="plan"></div>
      <div class="stack" data-part="list" data-testid="backups"></div>
      <button class="button" type="button" data-part="more" data-action="backups.more" hidden>${t("list.more")}</button>`,
  );
  await refresh();
  view.list = pages({ load: (page) => get("/backups", { ...page, service_id: service.id }, signal), show, signal, seconds: SECONDS });
  await view.list.reload();
  repeat(() => refresh().catch(() => {}), SECONDS, signal);
}

const backupOf = (element) => view.items.find(({ id }) => id === element.closest("[data-backup]").dataset.backup);

const volumeChoice = (chosen) => html`<div class="field"><label for="backup-volume">${t("backups.volume")}</label>
  <select class="input" id="backup-volume" name="volume_id">${view.volumes.map((one) => html`<option value="${one.id}" ${one.id === chosen && html`selected`}>${one.name} · ${one.path}</option>`)}</select></div>`;

/** Those of other services of the project, also of deleted ones, that could be brought back here. */
const others = async () => {
  const found = await Promise.all(SOUND.map((state) => get("/backups", { project_id: view.project, state, size: OFFERED }, view.signal)));
  return found.flatMap(({ items }) => items).filter(({ service_id: id }) => id !== view.id).sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
};

const otherName = ({ service, volume_name: volume, created_at: at, state }) =>
  [service.deleted ? t("backups.of_deleted", { name: service.name }) : service.name, volume, dateTime(at), t(`backups.state.${state}`)].join(" · ");

const otherChoice = (found) => html`<div class="field"><label for="backup-other">${t("backups.which")}</label>
  <select class="input" id="backup-other" name="backup_id">${found.map((one) => html`<option value="${one.id}">${otherName(one)}</option>`)}</select></div>`;

const restoreFields = (backup) => html`${volumeChoice(backup.volume_id)}
  <div class="callout" data-tone="warn"><p>${t("backups.restore_warning")}</p></div>
  <div class="field"><label for="backup-name">${t("backups.type_name")}</label>
    <input class="input mono" id="backup-name" name="name" required maxlength="200" autocapitalize="off" autocomplete="off" spellcheck="false"></div>`;

const planFields = (plan) => html`<label class="check"><input type="checkbox" name="enabled" ${plan.enabled && html`checked`}><span>${t("backups.enabled")}</span></label>
  <div class="pair"><div class="field"><label for="plan-schedule">${t("backups.times")}</label>
      <input class="input mono" id="plan-schedule" name="schedule" required maxlength="100" value="${plan.schedule}" autocomplete="off" spellcheck="false" list="plan-presets" aria-describedby="plan-hint">
      <datalist id="plan-presets">${PRESETS.map((preset) => html`<option value="${preset}">${inWords(preset)}</option>`)}</datalist>
      <p class="hint" id="plan-hint">${t("backups.times_hint")}</p></div>
    <div class="field"><label for="plan-zone">${t("backups.time_zone")}</label>
      <input class="input" id="plan-zone" name="time_zone" required maxlength="64" value="${plan.time_zone}" autocomplete="off" spellcheck="false"></div></div>
  <fieldset class="stack tight"><legend>${t("backups.keep")}</legend><div class="pair">${COUNTS.map((name) => html`<div class="field"><label for="plan-${name}">${t(`backups.${name}`)}</label>
    <input class="input" id="plan-${name}" name="${name}" type="number" inputmode="numeric" min="${name === "keep_last" ? 1 : 0}" max="100" step="1" required value="${plan[name]}"></div>`)}</div></fieldset>
  <label class="check"><input type="checkbox" name="stop_app" ${plan.stop_app && html`checked`}><span>${t("backups.stop_app")}<br><span class="hint">${t("backups.stop_app_hint")}</span></span></label>
  <div class="field"><label for="plan-command">${t("backups.command")}</label>
    <input class="input mono" id="plan-command" name="command" maxlength="4000" value="${plan.command}" placeholder="pg_dumpall -f /data/dump.sql" autocomplete="off" spellcheck="false" aria-describedby="plan-command-hint">
    <p class="hint" id="plan-command-hint">${t("backups.command_hint")}</p></div>`;

const fresh = (plan) => (plan.enabled ? plan : { ...plan, enabled: true, time_zone: profile()?.time_zone || plan.time_zone });

const planOf = (given) => ({
  schedule: given.schedule.trim(), time_zone: given.time_zone.trim(), command: given.command.trim(),
  enabled: "enabled" in given, stop_app: "stop_app" in given,
  ...Object.fromEntries(COUNTS.map((name) => [name, Number(given[name])])),
});

const make = (volume) => post(`/services/${view.id}/backups`, { volume_id: volume });

export const actions = {
  "backups.make": async () => {
    if (view.volumes.length === 1) await make(view.volumes[0].id);
    else if (!(await askForm({ title: t("backups.make"), fields: volumeChoice(), confirm: t("backups.make"), cancel: t("dialog.cancel"), testid: "make-sheet" }, ({ volume_id: id }) => make(id)))) return;
    toast(t("backups.asked"));
    await view.list.refresh();
  },
  "backups.restore": async (button) => {
    const backup = backupOf(button);
    const sent = await askForm(
      { title: t("backups.restore_title", { at: dateTime(backup.created_at) }), fields: restoreFields(backup), confirm: t("backups.restore"), cancel: t("dialog.cancel"), danger: true, testid: "restore-sheet" },
      (given) => post(`/services/${view.id}/restores`, { ...given, backup_id: backup.id }),
    );
    if (!sent) return;
    toast(t("backups.restore_asked"));
    await refresh();
  },
  "backups.bring": async () => {
    const found = await others();
    if (!found.length) return toast(t("backups.none_elsewhere"));
    const sent = await askForm(
      { title: t("backups.bring_title"), fields: html`${otherChoice(found)}${restoreFields({})}`, confirm: t("backups.restore"), cancel: t("dialog.cancel"), danger: true, testid: "bring-sheet" },
      (given) => post(`/services/${view.id}/restores`, given),
    );
    if (!sent) return;
    toast(t("backups.restore_asked"));
    await refresh();
  },
  "backups.remove": async (button) => {
    const backup = backupOf(button);
    const sure = await ask({ title: t("backups.remove_title", { at: dateTime(backup.created_at) }), text: t("backups.remove_text"), confirm: t("backups.remove") });
    if (!sure) return;
    await remove(`/backups/${backup.id}`);
    await view.list.refresh();
  },
  "backups.plan": async () => {
    const sent = await askForm(
      { title: t("backups.schedule"), fields: planFields(fresh(view.plan)), confirm: t("form.save"), cancel: t("dialog.cancel"), testid: "plan-sheet" },
      (given) => replace(`/services/${view.id}/backup-plan`, planOf(given)),
    );
    if (sent) await refresh();
  },
  "backups.more": () => view.list.more(),
};
