/** A service at a glance. */

import { get } from "/js/core/api.js";
import { html, pages, render, since, webAddress } from "/js/core/dom.js";
import { dateTime, localised, t } from "/js/core/i18n.js";
import { planFacts, price } from "/js/shared/plans.js";
import { deploymentTable } from "/js/user/service-deployments.js";

const RECENT = 3;

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

function draw() {
  const { root, service, plan, recent } = view;
  render(
    root,
    html`<div class="pair">
      <div class="card stack"><h2>${t("overview.live")}</h2>${release(service.live_deployment)}</div>
      <div class="card stack"><h2>${t("overview.facts")}</h2><dl class="facts">
        ${fact("order.repository", html`${repository(service.source)}${service.source.root && html`<br><code>${service.source.root}</code>`}`)}
        ${fact("order.ref", service.source.ref ? html`<code>${service.source.ref}</code>` : t("order.default_branch"))}
        ${fact("order.plan", plan ? html`${localised(plan.title)} · ${price(plan)}<br><span class="hint">${planFacts(plan)}</span>` : "…")}
        ${fact("order.health_path", html`<code>${service.health_path ?? "/"}</code>`)}
        ${fact("services.created", dateTime(service.created_at))}</dl></div></div>
      ${recent.length > 0 && html`<h2>${t("overview.recent")}</h2>${deploymentTable(recent)}`}`,
  );
}

export async function open(root, { service, signal }) {
  view = { root, service, plan: null, recent: [] };
  draw();
  const load = (page) => get(`/services/${service.id}/deployments`, page, signal);
  const show = ({ items }) => {
    view.recent = items.slice(0, RECENT);
    draw();
  };
  const [plans] = await Promise.all([
    get("/plans", {}, signal),
    pages({ load, show, signal, size: RECENT }).reload(),
  ]);
  view.plan = plans.items.find(({ id }) => id === view.service.plan_id);
  draw();
}

export function changed(service) {
  if (!view) return;
  view.service = service;
  if (view.root.isConnected) draw();
}
