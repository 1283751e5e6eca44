/** The operator's start page: counts, the engine's honesty about isolation, the panel's own parts. */

import { get, profile } from "/js/core/api.js";
import { badge, html, icon, render, repeat } from "/js/core/dom.js";
import { known, loadTexts, number, t } from "/js/core/i18n.js";
import { showUse } from "/js/admin/use.js";
import { jobTable } from "/js/shared/jobs.js";

const SECONDS = 8;
const SHOWN = 5;

const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

const same = (state) => state;
const counted = (state) => known(`count.${state}`, state);
const letterCounted = (state) => known(`letters.count.${state}`, state);

const tile = (title, counts, href, { name = same, word = counted } = {}) => html`<a class="card tile" href="${href}">
  <span class="eyebrow">${title}</span><strong class="figure">${number(total(counts))}</strong>
  <span class="row">${Object.entries(counts)
    .filter(([, count]) => count)
    .map(([state, count]) => html`<span class="tag" data-state="${name(state)}">${number(count)} ${word(name(state))}</span>`)}</span></a>`;

const people = (count) => {
  const inside = html`<span class="eyebrow">${t("admin.users")}</span><strong class="figure">${number(count)}</strong>`;
  const open = (profile()?.permissions ?? []).includes("admin:users");
  return open ? html`<a class="card tile" href="/admin/users">${inside}</a>` : html`<div class="card tile">${inside}</div>`;
};

const ways = (delivery) => html`<section class="card stack"><h2>${t("letters.delivery")}</h2>
  ${Object.entries(delivery).map(([channel, way]) => {
    const words = t(`letters.delivery.${channel}.${way}`);
    return way === "configured" ? html`<p>${words}</p>` : html`<div class="callout" data-tone="${way === "missing" ? "warn" : "ok"}"><p>${words}</p></div>`;
  })}</section>`;

const overview = ({ services, jobs, letters, delivery, payable, users, engine, parts }) => html`<div class="tiles">
    ${tile(t("nav.services"), services, "/admin/services")}
    ${tile(t("nav.jobs"), jobs, "/admin/jobs", { name: (state) => (state === "running" ? "job-running" : state) })}
    ${(profile()?.permissions ?? []).includes("admin:letters") && tile(t("nav.admin_letters"), letters, "/admin/letters", { word: letterCounted })}
    ${people(users)}
  </div>
  ${(profile()?.permissions ?? []).includes("admin:services") && html`<div class="row"><a class="button" href="/admin/domains">${icon("shield")}${t("admin.domains")}</a>
    <a class="button" href="/admin/backups">${icon("copy")}${t("admin.backups")}</a>
    ${(profile()?.permissions ?? []).includes("admin:nodes") && html`<a class="button" href="/admin/nodes">${icon("node")}${t("admin.nodes")}</a>`}</div>`}
  <div class="pair">
    <section class="card stack"><h2>${t("admin.engine")}</h2>
      <dl class="facts"><div><dt>${t("admin.engine_name")}</dt><dd><code>${engine.name}</code></dd></div>
        <div><dt>${t("admin.isolation")}</dt><dd>${known(`isolation.${engine.isolation}`, engine.isolation)}</dd></div></dl>
      ${engine.warnings.map(({ code, message }) => html`<div class="callout" data-tone="warn"><p>${known(`caution.${code}`, message)}</p></div>`)}</section>
    <div class="stack"><section class="card stack"><h2>${t("admin.parts")}</h2>
      <ul class="parts" data-testid="parts">${parts.map(
        ({ name, state }) => html`<li>${badge(state)}<span class="mono">${name}</span></li>`,
      )}</ul></section>
      ${ways(delivery)}
      ${payable === false && html`<div class="callout" data-tone="warn" data-testid="not-payable"><p>${t("caution.no_way_to_pay")}</p></div>`}</div>
  </div>`;

export async function mount(root, { signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const load = async () => {
    const [facts, failing] = await Promise.all([
      get("/admin/overview", {}, signal),
      get("/admin/jobs", { state: "failed", size: SHOWN }, signal),
    ]);
    render(part("overview"), overview(facts));
    const calm = html`<div class="card row">${icon("check")}<p>${t("admin.nothing_fails")}</p></div>`;
    render(part("failing"), failing.items.length ? jobTable(failing.items) : calm);
  };
  await loadTexts("letters");
  await load();
  await showUse(part("use"), signal).catch(() => {});
  repeat(() => load().catch(() => {}), SECONDS, signal);
}
