/** A project's money at a glance: what there is, how long it lasts, what happens then. */

import { get } from "/js/core/api.js";
import { hasPage, refreshAccount } from "/js/core/app.js";
import { html, icon, render, repeat } from "/js/core/dom.js";
import { dateTime, number, t } from "/js/core/i18n.js";
import { billingTabs, mayPay } from "/js/shared/billing-tabs.js";
import { STAGES, stageNotice } from "/js/shared/dunning.js";
import { amount } from "/js/shared/money.js";

const SECONDS = 20;

const fact = (name, value) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`;

const balance = (it) => html`<section class="card tile" data-testid="balance"><h2 class="eyebrow">${t("billing.balance")}</h2>
  <strong class="figure">${amount(it.balance_minor, it.currency)}</strong>
  <dl class="facts">
    ${it.held_minor > 0 && fact("billing.held", amount(it.held_minor, it.currency))}
    ${it.due_minor > 0 && fact("billing.due", html`<strong>${amount(it.due_minor, it.currency)}</strong>`)}
    ${it.credit_limit_minor > 0 && fact("billing.credit_limit", amount(it.credit_limit_minor, it.currency))}</dl></section>`;

function lasting({ days_left: days, runs_out_at: end, month_rate_minor: rate, currency }) {
  const long = rate > 0 && (days === null || days > 366);
  return html`<section class="card tile" data-testid="run-time"><h2 class="eyebrow">${t("billing.lasts")}</h2>
    <strong class="figure">${long ? t("billing.years") : days === null ? "—" : t("billing.days", { count: Math.floor(days) })}</strong>
    <p class="hint">${!rate ? t("billing.nothing_spent") : html`${t("billing.rate", { amount: amount(rate, currency) })}${!long && html`<br>${t("billing.runs_out", { date: dateTime(end) })}`}`}</p></section>`;
}

const spending = (it) => html`<section class="card tile" data-testid="spending"><h2 class="eyebrow">${t("billing.spent")}</h2>
  <strong class="figure">${amount(it.spent_minor, it.currency)}</strong>
  <p class="hint">${t("billing.spent_before", { amount: amount(it.spent_before_minor, it.currency) })}</p></section>`;

const rules = ({ rules: by }) => html`<section class="card stack"><h2>${t("billing.rules")}</h2><ol class="steps-list">
  ${by.warn_days.length > 0 && html`<li>${t("billing.rule_warn", { days: by.warn_days.map((one) => number(one)).join(", ") })}</li>`}
  <li>${by.grace_days === 0 ? t("billing.rule_no_grace") : t("billing.rule_grace", { count: by.grace_days })}</li>
  <li>${by.terminate_days === null ? t("billing.rule_kept") : t("billing.rule_terminate", { count: by.terminate_days })}</li>
  <li>${t("billing.rule_resume")}</li></ol></section>`;

const links = (project) => [
  mayPay(project) && hasPage("/billing/payments") &&
    html`<a class="button primary" href="/billing/payments" data-testid="top-up">${icon("plus")}${t("billing.top_up")}</a>`,
];

const overview = (it, project) => html`
  ${STAGES.includes(it.stage) && stageNotice(it, { project, pay: mayPay(project) })}
  ${!STAGES.includes(it.stage) && html`<div class="row">${links(project)}</div>`}
  <div class="tiles">${balance(it)}${lasting(it)}${spending(it)}</div>
  ${it.suspended_services > 0 && html`<p data-testid="suspended-count"><a href="/services">${t("billing.suspended_services", { count: it.suspended_services })}</a></p>`}
  ${rules(it)}`;

export async function mount(root, { signal }) {
  const project = billingTabs(root);
  const place = root.querySelector("[data-part=overview]");
  if (!project) {
    render(place, html`<div class="card state"><h2>${t("billing.no_project")}</h2></div>`);
    return;
  }
  const load = async () => {
    const it = await get(`/projects/${project.id}/billing/overview`, {}, signal);
    render(place, overview(it, project));
    if (it.stage !== (project.billing_stage ?? "ok")) {
      project.billing_stage = it.stage;
      await refreshAccount();
    }
  };
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}
