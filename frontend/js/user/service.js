/** A service's page: its state and actions, with tabs that are modules of their own. */

import { get, post, remove } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { badge, html, icon, offer, render, repeat, webAddress } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { isMember, mayDeploy } from "/js/shared/may.js";
import { moneyNotice } from "/js/shared/money-notice.js";
import { explained, reasonOfService } from "/js/shared/reasons.js";
import { toast } from "/js/shared/toast.js";
import { cancelAction, followJob } from "/js/shared/voyage.js";

const TABS = ["overview", "deployments", "processes", "logs", "metrics", "console", "variables", "storage", "backups", "source", "push", "domains", "cron", "settings"];
// What an administrator sees of a service of others, and a viewer; the rest is for those who change it.
const PUBLIC_TABS = ["overview", "deployments", "processes", "logs", "metrics", "domains"];
// How the app does; the other tabs set it up.
const RUNNING_TABS = ["overview", "deployments", "processes", "logs", "metrics", "console"];
const SECONDS = 4;
const TROUBLES = { crashed: "crashed", running: "partly" };
let view = null;

/** What becomes of its backups; nothing to say where there is no place for any. */
async function backupsAfter(id) {
  const { available, kept_after_deletion_days: days } = await get(`/services/${id}/backup-plan`);
  if (!available) return "";
  return days ? t("service.delete_backups", { count: days }) : t("service.delete_no_backups");
}

const verb = (name, iconName, { primary = false, busy = false } = {}) =>
  html`<button class="button ${primary && "primary"}" type="button" data-action="service.${name}" data-testid="${name}" ${busy && html`disabled`}>
    ${icon(iconName)}${t(`service.${name}`)}</button>`;

function verbs({ status, active_job_id: busy, live_deployment: live, suspended_at: suspended }) {
  if (status === "deleting" || suspended) return null;
  const is = { busy: Boolean(busy) };
  const stopped = status === "stopped";
  return [
    stopped && verb("start", "play", { ...is, primary: true }),
    verb("redeploy", "again"),
    live && !stopped && verb("restart", "pulse", is),
    live && !stopped && verb("stop", "stop", is),
  ];
}

const standsStill = ({ project_id: project }) => html`<div class="callout" data-tone="bad" data-testid="suspended" role="status"><strong>${t("service.is_suspended")}</strong>
  <p>${t("service.suspended_text")}</p><p><a href="/billing?project=${project}">${t("service.to_billing")}</a></p></div>`;

const trouble = (service) => html`<div class="callout" data-tone="${service.status === "running" ? "warn" : "bad"}" role="status"><strong>${t(`service.is_${TROUBLES[service.status] ?? "failed"}`)}</strong>
    ${explained(reasonOfService(service))}${service.active_job_id === null && html`<p><a href="/services/${service.id}/logs">${t("service.see_logs")}</a>${service.status === "failed" && !service.preview && mayDeploy(service) && html` · <a href="/services/${service.id}/source">${t("service.change_source")}</a>`}</p>`}</div>`;

function head(service) {
  const url = service.public && webAddress(service.url);
  const open = url && service.status === "running";
  return html`<div class="page-head">
    <div class="stack tight">
      <div class="row"><h1>${service.name}</h1><span data-testid="status">${badge(service.suspended_at ? "suspended" : service.status)}</span></div>
      ${service.preview && html`<p class="hint" data-testid="preview-of">${t("service.preview_of", service.preview)} <a href="/services/${service.preview.of}">${service.preview.of_name}</a></p>`}
      ${service.stack && html`<p class="hint"><a href="/stacks/${service.stack.id}" data-testid="stack-of">${t("service.stack_of", service.stack)}</a></p>`}
      ${url && html`<a class="mono" href="${url}" target="_blank" rel="noopener">${url.replace(/^https?:\/\//, "")}</a>`}
    </div>
    <div class="row verbs">${mayDeploy(service) && verbs(service)}
      ${open && html`<a class="button primary" href="${url}" target="_blank" rel="noopener" data-testid="open-app">${icon("open")}${t("service.open")}</a>`}</div>
  </div>
  ${!isMember(service) && html`<div class="callout" data-tone="warn"><p>${t("service.as_administrator")}</p></div>`}
  ${service.suspended_at ? standsStill(service) : service.status_reason && trouble(service)}`;
}

// A preview follows its pull request: it has neither source nor webhook of its own.
const tabsOf = (service) => (mayDeploy(service) ? TABS : PUBLIC_TABS).filter((tab) => !service.preview || !["source", "push"].includes(tab));

function tabs(service, current, open) {
  const link = (tab) => {
    const href = `/services/${service.id}${tab === "overview" ? "" : `/${tab}`}`;
    return html`<a href="${href}" ${tab === current && html`aria-current="page"`}>${t(`service.tab_${tab}`)}</a>`;
  };
  const group = (name, those) => html`<div class="section-group"><span class="eyebrow">${t(`service.sections_${name}`)}</span>${those.map(link)}</div>`;
  const all = tabsOf(service);
  return html`<button class="button sections-button" type="button" aria-expanded="${String(open)}" data-action="service.sections" data-testid="sections">${icon("menu")}${t(`service.tab_${current}`)}</button>
    <div class="section-groups">${group("running", all.filter((tab) => RUNNING_TABS.includes(tab)))}${group("setup", all.filter((tab) => !RUNNING_TABS.includes(tab)))}</div>`;
}

/** On a narrow screen the tabs are a menu. */
function openSections(open) {
  const bar = view.part("tabs");
  bar.toggleAttribute("data-open", open);
  render(bar, tabs(view.service, view.tab, open));
}

function draw() {
  const { part, service, tab } = view;
  render(part("head"), head(service));
  render(part("tabs"), tabs(service, tab, part("tabs").hasAttribute("data-open")));
  view.name(service.name);
  view.module?.changed?.(service);
}

async function reload() {
  const { id, signal } = view;
  try {
    view.service = await get(`/services/${id}`, {}, signal);
  } catch (error) {
    // Deleted meanwhile: by this page's own request or by someone else's.
    if (error.status !== 404 || !view.service) throw error;
    toast(t("service.deleted", { name: view.service.name }));
    return void navigate("/services", { replace: true });
  }
  draw();
  if (view.service.active_job_id && view.service.active_job_id !== view.following) watch(view.service.active_job_id);
}

/** A failed deployment leaves alone what served before. */
const servesOn = (job) =>
  ["service.deploy", "service.rollback"].includes(job.kind) && view.service.live_deployment && view.service.status === "running" &&
  html`<p data-testid="previous-serves">${t("deployment.previous_serves")}</p>`;

async function watch(id) {
  const { part, signal } = view;
  view.following = id;
  part("job").hidden = false;
  try {
    const job = await followJob(part("job"), id, { signal, brief: true, beside: servesOn });
    if (signal.aborted) return;
    await reload();
    // The head says by then why the service is not there.
    if (job.state === "succeeded" || view.service.status_reason) part("job").hidden = true;
  } catch (error) {
    if (error.name !== "AbortError" && error.status !== 404) throw error;
    if (error.status === 404) await reload();
  } finally {
    view.following = null;
  }
}

async function openTab(wanted) {
  // An address may name a tab of forms that the person may not use.
  const tab = tabsOf(view.service).includes(wanted) ? wanted : "overview";
  if (tab !== wanted) history.replaceState(history.state, "", `/services/${view.id}`);
  view.leaveTab?.();
  const controller = new AbortController();
  view.leaveTab = () => controller.abort();
  view.tab = tab;
  view.module = null;
  const place = view.part("tab");
  const [module] = await Promise.all([import(`/js/user/service-${tab}.js`)]);
  if (controller.signal.aborted) return;
  const root = document.createElement("div");
  root.className = "stack";
  place.replaceChildren(root);
  offer(module.actions ?? {}, controller.signal);
  view.module = module;
  view.part("tabs").removeAttribute("data-open");
  draw();
  await module.open(root, { service: view.service, signal: controller.signal, asked });
}

/** Says that a job was asked for, so that it is followed at once. */
async function asked() {
  view.part("job").hidden = true;
  await reload();
}

const tabOf = (params) => {
  const tab = params.tab ?? "overview";
  if (!TABS.includes(tab)) throw Object.assign(new Error(`no tab ${tab}`), { status: 404 });
  return tab;
};

export async function mount(root, { params, signal, name }) {
  const tab = tabOf(params);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, signal, name, id: params.id, tab, service: null, following: null };
  signal.addEventListener("abort", () => view.leaveTab?.());
  part("tabs").addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !part("tabs").hasAttribute("data-open")) return;
    openSections(false);
    part("tabs").querySelector("button").focus();
  }, { signal });
  await reload();
  repeat(() => reload().catch(() => {}), SECONDS, signal);
  await openTab(tab);
  // A suspended service says so itself.
  if (!view.service.suspended_at) moneyNotice(part("money"), view.service.project_id, signal).catch(() => {});
}

/** Moving between tabs keeps the page. */
export function update({ params }) {
  if (params.id !== view.id || !view.service || !TABS.includes(params.tab ?? "overview")) return false;
  openTab(tabOf(params)).catch((error) => error.name !== "AbortError" && toast(error.message, "bad"));
  return true;
}

const act = (action) => async () => {
  await post(`/services/${view.id}/${action}`);
  await asked();
};

export const actions = {
  ...cancelAction,
  "service.sections": () => openSections(!view.part("tabs").hasAttribute("data-open")),
  "service.start": act("start"),
  "service.stop": act("stop"),
  "service.restart": act("restart"),
  "service.redeploy": act("deployments"),
  "service.delete": async () => {
    const { name } = view.service;
    const sure = await ask({
      title: t("service.delete_title", { name }),
      text: `${t("service.delete_text")} ${await backupsAfter(view.id)}`,
      confirm: t("service.delete"),
      type: name,
    });
    if (!sure) return;
    await remove(`/services/${view.id}`);
    await asked();
  },
};
