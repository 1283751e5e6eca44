/** The operator's money at a glance, and the projects whose money runs out. */

import { get, profile, remove, replace } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, repeat, since } from "/js/core/dom.js";
import { dateTime, number, t } from "/js/core/i18n.js";
import { askOverride, askRules } from "/js/admin/dunning-forms.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";
import { STAGES } from "/js/shared/dunning.js";
import { amount } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 20;
let view = null;

const mayDecide = () => (profile()?.permissions ?? []).includes("admin:billing_write");

const tile = (name, figure, more) => html`<section class="card tile"><h2 class="eyebrow">${name}</h2>
  <strong class="figure">${figure}</strong><p class="hint">${more}</p></section>`;

const moneyOf = (it) => html`<div class="tiles" data-testid="money-${it.currency}">
  ${tile(t("billing.revenue"), amount(it.revenue_minor, it.currency), html`${t("billing.revenue_before", { amount: amount(it.revenue_before_minor, it.currency) })}<br>${t("billing.revenue_tax", { amount: amount(it.tax_minor, it.currency) })}`)}
  ${tile(t("billing.balances"), amount(it.balances_minor, it.currency), t("billing.balances_held", { amount: amount(it.held_minor, it.currency) }))}
  ${tile(t("billing.debts"), amount(it.due_minor, it.currency), t("billing.debtors", { count: it.debtors }))}</div>`;

const stages = ({ stages: counts, suspended_services: still }) => html`<section class="card stack"><h2>${t("billing.trouble")}</h2>
  <div class="row">${STAGES.map((stage) => html`<span class="tag" data-state="${counts[stage] ? "failed" : "role"}">${t(`billing.stage_name.${stage}`)}: ${number(counts[stage] ?? 0)}</span>`)}</div>
  <p class="hint">${t("billing.suspended_services", { count: still })}</p></section>`;

const rules = (by) => html`<section class="card stack" data-testid="dunning-rules"><div class="page-head"><h2>${t("billing.rules")}</h2>
    ${mayDecide() && html`<button class="button" type="button" data-action="dunning.rules">${t("billing.rules_change")}</button>`}</div>
  <dl class="facts">
    <div><dt>${t("billing.warn_days")}</dt><dd>${by.warn_days.map((one) => number(one)).join(", ") || "—"}</dd></div>
    <div><dt>${t("billing.grace_days")}</dt><dd>${number(by.grace_days)}</dd></div>
    <div><dt>${t("billing.terminate_days")}</dt><dd>${by.terminate_days === null ? t("billing.never") : number(by.terminate_days)}</dd></div>
    <div><dt>${t("billing.notice_days")}</dt><dd>${by.notice_days.map((one) => number(one)).join(", ") || "—"}</dd></div></dl></section>`;

const decided = ({ override }) =>
  override &&
  html`<span class="hint">${t("billing.decided", { reason: override.reason })}${override.until && html` · ${t("billing.decided_until", { date: dateTime(override.until) })}`}</span>`;

const row = (it) => html`<li class="grid-row dunning-row" data-key="${it.project_id}" data-testid="dunning-row" data-stage="${it.stage}">
  <div><strong class="row-title">${it.project_name}</strong><span class="hint cut">${it.owner_email}</span>${decided(it)}</div>
  <div><span class="badge" data-state="${it.stage === "ok" ? "running" : it.stage === "warned" ? "pending" : "failed"}">${t(`billing.stage_name.${it.stage}`)}</span></div>
  <div>${amount(it.balance_minor - it.due_minor, it.currency)}<br><span class="hint">${it.next_at ? t("billing.next", { date: dateTime(it.next_at) }) : since(it.since)}</span></div>
  <div class="row-end">${mayDecide() && html`<button class="button small" type="button" data-action="dunning.override" data-project="${it.project_id}">${t("billing.decide")}</button>`}</div></li>`;

function show({ items, next }) {
  view.items = items;
  const table = html`<div class="grid-list"><div class="grid-row grid-head dunning-row eyebrow" aria-hidden="true"><span>${t("billing.project")}</span>
    <span>${t("billing.stage_head")}</span><span>${t("billing.balance")}</span><span></span></div><ul>${items.map(row)}</ul></div>`;
  render(view.part("list"), items.length ? table : html`<div class="card state"><p>${t(view.filters.show ? "billing.no_such" : "billing.no_trouble")}</p></div>`);
  view.part("more").hidden = !next;
}

const chosen = ({ show: what }) =>
  what === "decided" ? { overridden: true } : STAGES.includes(what) ? { stage: what } : { troubled: true };

async function loadOverview() {
  const it = await get("/admin/billing/overview", {}, view.signal);
  view.rules = it.rules;
  render(view.part("overview"), [it.money.map(moneyOf), html`<div class="pair">${stages(it)}${rules(it.rules)}</div>`]);
}

export async function mount(root, { query, signal }) {
  adminBillingTabs(root);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, signal, filters: { show: query.show ?? "" }, items: [], rules: null };
  const load = (page) => get("/admin/billing/dunning", { ...chosen(view.filters), ...page }, signal);
  view.list = pages({ load, show, signal, seconds: SECONDS });
  const choice = root.querySelector("[name=show]");
  choice.append(...STAGES.map((stage) => new Option(t(`billing.stage_name.${stage}`), stage)));
  choice.value = view.filters.show;
  await Promise.all([loadOverview(), view.list.reload()]);
  repeat(() => loadOverview().catch(() => {}), SECONDS, signal);
  // Led here from another page; the question stays open while the page is there already.
  if (query.project) decide(query.project).catch((error) => toast(error.message, "bad"));
}

async function untroubled(id) {
  const { project_name: name } = await get(`/admin/billing/projects/${id}/terms`, {}, view.signal);
  return { project_id: id, project_name: name, override: null };
}

async function decide(id) {
  if (!mayDecide()) return;
  // One that never was in trouble is not known here, and may be decided about all the same.
  const known = view.items.find((one) => one.project_id === id);
  const it = known ?? (await get(`/admin/billing/dunning/${id}`, {}, view.signal).catch(() => untroubled(id)));
  const path = `/admin/billing/dunning/${id}/override`;
  const done = await askOverride(it, (body) => (body ? replace(path, body) : remove(path)));
  if (!done) return;
  toast(t("billing.decided_done"));
  await Promise.all([loadOverview(), view.list.reload()]);
}

export const actions = {
  "dunning.filter": (field) => {
    view.filters.show = field.value;
    noteInAddress(view.filters);
    return view.list.reload();
  },
  "dunning.more": () => view.list.more(),
  "dunning.override": (button) => decide(button.dataset.project),
  "dunning.rules": async () => {
    if (!(await askRules(view.rules, (body) => replace("/admin/billing/dunning-rules", body)))) return;
    toast(t("billing.rules_saved"));
    await loadOverview();
  },
};
