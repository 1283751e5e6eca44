/** What all services take now, and who takes most: a part of the operator's overview. */

import { get } from "/js/core/api.js";
import { html, render, repeat } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { cores, memory, rate } from "/js/shared/measures.js";

const SECONDS = 15;

const most = (title, services, said) => html`<div class="table-scroll"><table class="table"><caption class="eyebrow">${title}</caption>
  <thead><tr><th scope="col">${t("use.service")}</th><th scope="col" class="amount">${title}</th></tr></thead>
  <tbody>${services.map((one) => html`<tr><th scope="row"><a href="/services/${one.service_id}">${one.name}</a></th><td class="amount">${said(one)}</td></tr>`)}</tbody></table></div>`;

const section = (use) => html`<section class="card stack" data-testid="use"><h2>${t("use.title")}</h2>
  ${use.services === 0 ? html`<p class="muted">${t("use.none")}</p>` : html`<dl class="facts">
    <div><dt>${t("use.measured")}</dt><dd>${t("use.services", { count: use.services })}</dd></div>
    <div><dt>${t("metrics.cpu")}</dt><dd>${cores(use.cpu_millis)}</dd></div>
    <div><dt>${t("metrics.memory")}</dt><dd>${memory(use.memory_bytes)}</dd></div>
    <div><dt>${t("metrics.network")}</dt><dd>${rate(use.received)} ↓ · ${rate(use.sent)} ↑</dd></div></dl>
  <div class="pair">${most(t("use.by_memory"), use.by_memory, (one) => memory(one.memory_bytes))}
    ${most(t("use.by_cpu"), use.by_cpu, (one) => cores(one.cpu_millis))}</div>`}</section>`;

/** Fills `place` and keeps it true until `signal` aborts. */
export async function showUse(place, signal) {
  await loadTexts("looking");
  const load = async () => render(place, section(await get("/admin/metrics", {}, signal)));
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}
