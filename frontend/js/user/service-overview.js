/** A service at a glance. */

import { get } from "/js/core/api.js";
import { html, pages, render, since, webAddress } from "/js/core/dom.js";
import { dateTime, localised, t } from "/js/core/i18n.js";
import { healthSaid } from "/js/shared/health-fields.js";
import { isMember } from "/js/shared/may.js";
import { amount } from "/js/shared/money.js";
import { planFacts, price } from "/js/shared/plans.js";
import { hourly } from "/js/shared/rates.js";
import { newestEvents, timeline } from "/js/shared/timeline.js";
import { deploymentTable } from "/js/user/service-deployments.js";

const RECENT = 3;
const EVENTS = 8;

let view = null;

const fact = (name, value) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`;

const release = (live) =>
  live
    ? html`<p class="lead"><code>${live.commit?.slice(0, 7)}</code> ${live.commit_subject}</p>
        <p class="hint">${t("overview.live_since")} ${since(live.live_at)} · <a href="/deployments/${live.id}">${t("overview.deployment")}</a></p>`
    : html`<p class="muted">${t("services.no_release")}</p>`;

function repository({ repo_url: address }) {
  const shown = address.replace(/^https?:\/\//, "");
  return webAddress(address) ? html`<a href="${address}" target="_blank" rel="noopener">${shown}</a>` : shown;
}

/** Where the code comes from; of an archive there is no more to say than that it was uploaded. */
function origin(source) {
  if (source.kind === "image") return fact("order.image", html`<code>${source.image}</code>`);
  if (source.kind !== "git") return "";
  return html`${fact("order.repository", html`${repository(source)}${source.root && html`<br><code>${source.root}</code>`}`)}
    ${fact("order.ref", source.ref ? html`<code>${source.ref}</code>` : t("order.default_branch"))}`;
}

function costs({ currency, services }) {
  const [now, month] = services.length
    ? [services[0], amount(services.reduce((sum, one) => sum + one.this_month, 0), currency)]
    : [null, amount(0, currency)];
  return html`${Number(now?.per_hour) > 0 ? t("overview.costs_now", { hour: hourly(now.per_hour, currency), month: amount(now.per_month, currency) }) : t("overview.costs_stopped")}
    <br><a href="/billing/usage?project=${view.service.project_id}&service_id=${view.service.id}">${t("overview.costs_month", { amount: month })}</a>`;
}

function draw() {
  const { root, service, plan, recent, forecast, events } = view;
  render(
    root,
    html`<div class="pair">
      <div class="card stack"><h2>${t("overview.live")}</h2>${release(service.live_deployment)}</div>
      <div class="card stack"><h2>${t("overview.facts")}</h2><dl class="facts">
        ${origin(service.source)}
        ${fact("order.plan", plan ? html`${localised(plan.title)} · ${price(plan)}<br><span class="hint">${planFacts(plan)}</span>` : "…")}
        ${forecast && fact("overview.costs", costs(forecast))}
        ${fact("order.health_kind", healthSaid(service))}
        ${fact("services.created", dateTime(service.created_at))}</dl></div></div>
      ${recent.length > 0 && html`<h2>${t("overview.recent")}</h2>${deploymentTable(recent, service)}`}
      ${events.length > 0 && html`<h2>${t("overview.events")}</h2>${timeline(events)}`}`,
  );
}

/** Whoever may not see the project's money does without, as an operator in someone else's project does. */
const costsOf = async (service, signal) =>
  isMember(service) ? get(`/projects/${service.project_id}/billing/forecast`, { service_id: service.id }, signal).catch(() => null) : null;

async function loadEvents(mine) {
  mine.events = await newestEvents(mine.service, EVENTS, mine.signal).catch(() => mine.events);
}

export async function open(root, { service, signal }) {
  view = { root, service, signal, plan: null, recent: [], forecast: null, events: [] };
  draw();
  const load = (page) => get(`/services/${service.id}/deployments`, page, signal);
  const show = ({ items }) => {
    view.recent = items.slice(0, RECENT);
    draw();
  };
  const [plans, forecast] = await Promise.all([
    get("/plans", {}, signal),
    costsOf(service, signal),
    pages({ load, show, signal, size: RECENT }).reload(),
    loadEvents(view),
  ]);
  view.forecast = forecast;
  view.plan = plans.items.find(({ id }) => id === view.service.plan_id);
  draw();
}

export function changed(service) {
  if (!view) return;
  const mine = view;
  const another = mine.service.status !== service.status;
  mine.service = service;
  if (!mine.root.isConnected) return;
  draw();
  if (!another) return;
  loadEvents(mine).then(() => mine === view && mine.root.isConnected && draw());
  costsOf(service, mine.signal).then((forecast) => {
    if (mine !== view || mine.service !== service) return;
    mine.forecast = forecast;
    draw();
  });
}
