/** The history of a service's deployments. */

import { get } from "/js/core/api.js";
import { badge, html, icon, pages, render, since } from "/js/core/dom.js";
import { duration, known, t } from "/js/core/i18n.js";
import { isMember } from "/js/shared/may.js";
import { inShort, reasonOfDeployment } from "/js/shared/reasons.js";
import { mayRollBack, rollbackAction, rollbackData, rollbackTexts, stateOf } from "/js/shared/rollback.js";
import { diffActions, diffPart } from "/js/user/release-diff.js";

let view = null;

const deploymentRow = (deployment, service, restorable) => html`<li class="grid-row deployment-row" data-key="${deployment.id}" data-testid="deployment-${deployment.number}">
  <div><a class="row-name" href="/deployments/${deployment.id}" aria-label="${t("deployment.number", { number: deployment.number })}">${t("deployment.short", { number: deployment.number })}</a>
    <span class="hint">${known(`trigger.${deployment.trigger}`, deployment.trigger, deployment.restores ?? {})}</span></div>
  <div class="row">${badge(stateOf(deployment, service))}${deployment.is_live && html`<span class="tag">${t("deployment.serving")}</span>`}</div>
  <div>${deployment.commit ? html`<span class="cut"><code>${deployment.commit.slice(0, 7)}</code> ${deployment.commit_subject}</span>` : html`<span class="muted">—</span>`}
    ${deployment.reason && html`<span class="hint reason">${inShort(reasonOfDeployment(deployment))}</span>`}</div>
  <div class="hint">${since(deployment.created_at)}${deployment.started_at && html`<br>${t("deployment.took", { time: duration(deployment.started_at, deployment.finished_at) })}`}
    ${restorable && mayRollBack(deployment, service) && html`<div><button class="button small" type="button" ${rollbackData(deployment)}
      aria-label="${t("releases.button")}: ${t("deployment.number", { number: deployment.number })}">${icon("past")}${t("releases.button")}</button></div>`}</div></li>`;

/** Releases that are kept offer to be brought back, if `restorable`. */
export const deploymentTable = (items, service, { restorable = false } = {}) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow deployment-row" aria-hidden="true"><span>${t("deployment.release")}</span>
    <span>${t("services.status")}</span><span>${t("deployment.commit")}</span><span>${t("deployment.when")}</span></div>
  <ul data-testid="deployments">${items.map((item) => deploymentRow(item, service, restorable))}</ul></div>`;

function show({ items, next }) {
  render(
    view.root,
    html`${deploymentTable(items, view.service, { restorable: true })}
      ${next && html`<button class="button" type="button" data-action="deployments.more">${t("list.more")}</button>`}
      ${!next && items.length > 1 && html`<p class="hint">${t("releases.kept")}</p>`}${isMember(view.service) && diffPart(items)}`,
  );
}

export async function open(root, { service, signal }) {
  view = { root, service };
  const load = async (page) => {
    const [found] = await Promise.all([get(`/services/${service.id}/deployments`, page, signal), rollbackTexts()]);
    return found;
  };
  view.list = pages({ load, show, signal });
  await view.list.reload();
}

export const actions = {
  ...rollbackAction,
  ...diffActions,
  "deployments.more": () => view.list.more(),
};
