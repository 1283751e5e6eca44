/** Scheduled jobs of a service: when each runs, how it went, and its form. */

import { get, patch, post, remove } from "/js/core/api.js";
import { html, icon, pages, render, scene, since } from "/js/core/dom.js";
import { dateTime, loadTexts, t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { mayDeploy } from "/js/shared/may.js";
import { toast } from "/js/shared/toast.js";
import { edit, formActions } from "/js/user/cron-form.js";
import { runActions, runBadge, showRuns } from "/js/user/cron-runs.js";
import { inWords } from "/js/user/schedule-words.js";

const SECONDS = 5;
let view = null;

const verbs = ({ id }) => html`<div class="row" data-job="${id}">
  <button class="button small" type="button" data-action="cron.run" data-testid="run-now">${icon("play")}${t("cron.run")}</button>
  <button class="button small" type="button" data-action="cron.edit">${t("cron.edit")}</button>
  <button class="button small danger" type="button" data-action="cron.remove" data-testid="remove-cron">${icon("trash")}${t("cron.remove")}</button></div>`;

const next = (job) => {
  if (!job.enabled) return t("cron.disabled");
  if (view.still) return t("cron.stands_still");
  return job.next_run_at ? t("cron.next", { at: dateTime(job.next_run_at) }) : t("cron.never");
};

const card = (job) => html`<article class="card stack tight" data-key="${job.id}" data-job="${job.id}" data-testid="cron-job">
  <div class="page-head"><div class="stack tight"><div class="row"><h3>${job.name}</h3>${job.last_run && runBadge(job.last_run.state)}</div>
    <p><strong>${inWords(job.schedule) ?? html`<code>${job.schedule}</code>`}</strong> <span class="hint">${inWords(job.schedule) && html`<code>${job.schedule}</code> · `}${job.time_zone}</span></p></div>
    ${view.may && verbs(job)}</div>
  <p class="mono cut" title="${job.command}">${job.command}</p>
  <p class="hint" data-testid="next-run">${next(job)}${job.last_run && html` · ${t("cron.last")} ${since(job.last_run.created_at)}`}</p>
  ${view.may && html`<label class="check"><input type="checkbox" role="switch" data-action="cron.enable" ${job.enabled && html`checked`}><span>${t("cron.enabled")}</span></label>`}
  <details data-key="runs-${job.id}" data-part="history"><summary>${t("cron.history")}</summary><div data-part="runs" data-keep></div></details></article>`;

const nothing = () => html`<div class="card state" data-testid="no-cron">${scene("calm")}<h3>${t("cron.none")}</h3><p>${t("cron.none_text")}</p></div>`;

function show({ items, next: more }) {
  view.items = items;
  render(view.part("list"), items.length ? items.map(card) : nothing());
  view.part("more").hidden = !more;
  for (const history of view.part("list").querySelectorAll("[data-part=history][open]")) fill(history);
}

function fill(history) {
  const { job } = history.closest("[data-job]").dataset;
  showRuns(history.querySelector("[data-part=runs]"), job, view.may, view.signal).catch((error) => error.name !== "AbortError" && error.status !== 404 && console.warn(error));
}

const standsStill = (service) => service.status === "stopped" || Boolean(service.suspended_at) || !service.live_deployment;

export async function open(root, { service, signal }) {
  await loadTexts("cron");
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { root, part, signal, service: service.id, still: standsStill(service), may: mayDeploy(service), items: [] };
  render(
    root,
    html`<div class="page-head"><div><h2>${t("service.tab_cron")}</h2><p class="muted">${t("cron.about")}</p></div>
        ${view.may && html`<button class="button primary" type="button" data-action="cron.new" data-testid="new-cron">${icon("plus")}${t("cron.new")}</button>`}</div>
      <div class="stack" data-part="list" data-testid="cron-jobs"></div>
      <button class="button" type="button" data-part="more" data-action="cron.list_more" hidden>${t("list.more")}</button>`,
  );
  // `toggle` does not bubble.
  root.addEventListener("toggle", (event) => event.target.matches("[data-part=history][open]") && fill(event.target), { capture: true, signal });
  view.list = pages({ load: (page) => get(`/services/${service.id}/cron-jobs`, page, signal), show, signal, seconds: SECONDS });
  await view.list.reload();
}

/** The page has asked anew what the service does. */
export function changed(service) {
  if (view && view.service === service.id) view.still = standsStill(service);
}

const idOf = (element) => element.closest("[data-job]").dataset.job;
const jobOf = (element) => view.items.find(({ id }) => id === idOf(element));
const context = () => ({ service: view.service, signal: view.signal, changed: () => view.list.refresh() });

export const actions = {
  ...formActions(context),
  ...runActions(context),
  "cron.new": () => edit(null),
  "cron.edit": (button) => edit(jobOf(button)),
  "cron.enable": async (box) => {
    try {
      await patch(`/cron-jobs/${idOf(box)}`, { enabled: box.checked });
    } catch (error) {
      box.checked = !box.checked;
      throw error;
    }
    await view.list.refresh();
  },
  "cron.run": async (button) => {
    const own = button.closest("article");
    await post(`/cron-jobs/${idOf(button)}/runs`);
    toast(t("cron.asked"));
    own.querySelector("[data-part=history]").open = true;
    await view.list.refresh();
  },
  "cron.remove": async (button) => {
    const { name, id } = jobOf(button);
    const sure = await ask({ title: t("cron.remove_title", { name }), text: t("cron.remove_text"), confirm: t("cron.remove") });
    if (!sure) return;
    await remove(`/cron-jobs/${id}`);
    await view.list.refresh();
    toast(t("cron.removed", { name }));
  },
  "cron.list_more": () => view.list.more(),
};
