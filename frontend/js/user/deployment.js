/** A deployment: its course step by step, its log live, and why it failed when it did. */

import { get, post } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { badge, html, icon, render, repeat, since, webAddress } from "/js/core/dom.js";
import { dateTime, duration, known, t } from "/js/core/i18n.js";
import { logView } from "/js/shared/log.js";
import { explained, headline, reasonOfDeployment } from "/js/shared/reasons.js";
import { mayDeploy } from "/js/shared/may.js";
import { mayRollBack, rollbackAction, rollbackData, rollbackTexts, stateOf } from "/js/shared/rollback.js";
import { follow } from "/js/shared/stream.js";
import { cancel, cancelButton, progressBar, voyage } from "/js/shared/voyage.js";

const FINAL = ["live", "rolled_back", "failed", "cancelled", "superseded"];
const LOG_PAGE = 1000;
let view = null;

const over = () => FINAL.includes(view.deployment.state);

function outcome(deployment, service) {
  const { state, is_live: serving, reason_code: code } = deployment;
  const kept = service?.live_deployment && !serving ? html`<p>${t("deployment.previous_serves")}</p>` : null;
  if (state === "failed") {
    return html`<div class="callout" data-tone="bad" role="alert" data-testid="reason" data-reason-code="${code}"><strong>${headline({ code }, t("deployment.failed"))}</strong>
      ${explained(reasonOfDeployment(deployment))}${kept}</div>`;
  }
  if (state === "rolled_back") {
    return html`<div class="callout" data-tone="warn" data-testid="reason">${explained(reasonOfDeployment(deployment))}</div>`;
  }
  if (state === "cancelled" || state === "superseded") {
    return html`<div class="callout" data-tone="warn" data-testid="reason"><strong>${t(`deployment.${state}`)}</strong>${kept}</div>`;
  }
  return null;
}

function draw() {
  const { deployment, service, job, part } = view;
  const { restores } = deployment;
  const url = service.public && webAddress(service.url);
  render(part("crumbs"), html`<a href="/services">${t("nav.services")}</a><a href="/services/${service.id}">${service.name}</a><a href="/services/${service.id}/deployments">${t("service.tab_deployments")}</a>`);
  render(
    part("head"),
    html`<div class="page-head"><div class="stack tight">
        <div class="row"><h1>${t("deployment.number", { number: deployment.number })}</h1><span data-testid="state">${badge(stateOf(deployment, service))}</span>
          ${deployment.is_live && html`<span class="tag">${t("deployment.serving")}</span>`}</div>
        ${restores && html`<p data-testid="restores"><a href="/deployments/${restores.id}">${t("releases.restores", { number: restores.number })}</a></p>`}
        <p class="muted">${deployment.commit && html`<code>${deployment.commit.slice(0, 7)}</code> ${deployment.commit_subject} · `}<span title="${dateTime(deployment.created_at)}">${since(deployment.created_at)}</span></p>
      </div>
      <div class="row">${job && !over() && cancelButton(job)}
        ${over() && mayRollBack(deployment, service) && html`<button class="button" type="button" ${rollbackData(deployment)}>${icon("past")}${t("releases.button_this")}</button>`}
        ${over() && mayDeploy(service) && html`<button class="button ${!deployment.is_live && "primary"}" type="button" data-action="deployment.again" data-testid="redeploy">${icon("again")}${t("service.redeploy")}</button>`}
        ${deployment.is_live && url && html`<a class="button primary" href="${url}" target="_blank" rel="noopener" data-testid="open-app">${icon("open")}${t("service.open")}</a>`}</div></div>`,
  );
  const bar = job && progressBar({ ...job, progress: deployment.state === "live" ? 100 : job.progress });
  const time = deployment.started_at && t("deployment.took", { time: duration(deployment.started_at, deployment.finished_at) });
  render(
    part("course"),
    html`<section class="stack">${outcome(deployment, service)}
      <div class="card stack" aria-label="${t("deployment.course")}" role="group">${bar}${voyage(deployment.steps)}
        ${time && over() && html`<p class="hint">${time}</p>`}</div></section>`,
  );
  view.name(`${t("deployment.number", { number: deployment.number })} · ${service.name}`);
}

/** A step's change is worth saying; every percent is not. */
function announce() {
  const { state } = view.deployment;
  if (view.said === state) return;
  view.said = state;
  document.getElementById("announce").textContent = known(`state.${state}`, state);
}

async function reload() {
  const { id, signal } = view;
  const deployment = await get(`/deployments/${id}`, {}, signal);
  const [service, job] = await Promise.all([
    get(`/services/${deployment.service_id}`, {}, signal),
    deployment.job_id && get(`/jobs/${deployment.job_id}`, {}, signal),
    rollbackTexts(),
  ]);
  Object.assign(view, { deployment, service, job });
  draw();
  announce();
}

/** Shows what the stream says at once; the job and the service are asked again when the state changed. */
function advance(deployment) {
  const changed = deployment.state !== view.deployment.state;
  view.deployment = deployment;
  draw();
  announce();
  if (changed) reload().catch(() => {});
}

async function followLog() {
  const { id, part, signal } = view;
  const log = logView(part("log"), t("deployment.log"));
  let after = 0;
  const take = (lines) => {
    const fresh = lines.filter(({ seq }) => seq > after);
    if (!fresh.length) return;
    after = fresh.at(-1).seq;
    log.append(fresh);
  };
  for (;;) {
    const page = await get(`/deployments/${id}/log`, { after, size: LOG_PAGE }, signal);
    take(page.lines);
    if (page.lines.length < LOG_PAGE) break;
  }
  const path = () => `/deployments/${id}/log/stream?${new URLSearchParams({ after })}`;
  const receive = (event, data) => {
    if (event === "log") take([data]);
    if (event === "deployment") advance(data);
  };
  let ended = true;
  // A stream also ends when it is old, so its end alone does not mean the deployment's.
  while (ended && !over() && !signal.aborted) {
    log.note(t("log.live"));
    ended = await follow(path, receive, signal);
    if (!signal.aborted) await reload().catch(() => {});
  }
  log.note("");
}

export async function mount(root, { params, signal, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, signal, name, id: params.id, deployment: null, service: null, job: null, said: null };
  await reload();
  repeat(() => over() || draw(), 1, signal);
  followLog().catch((error) => error.name !== "AbortError" && console.warn(error));
}

export const actions = {
  ...rollbackAction,
  "job.cancel": async (button) => {
    await cancel(button.dataset.job);
    await reload();
  },
  "deployment.again": async () => {
    const { deployment_id: deployment } = await post(`/services/${view.service.id}/deployments`);
    await navigate(`/deployments/${deployment}`);
  },
};
