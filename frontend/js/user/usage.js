/** What a project's services used and cost, by day; and how each charge came about. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, render, repeat, scene } from "/js/core/dom.js";
import { bytes, clock, currentLanguage, dateTime, known, number, t } from "/js/core/i18n.js";
import { meterName, priceOf, quantityOf } from "/js/shared/addons.js";
import { billingTabs } from "/js/shared/billing-tabs.js";
import { sheet } from "/js/shared/dialog.js";
import { download } from "/js/shared/download.js";
import { busily, day } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";
import { COLOURS, stackedBars } from "/js/shared/plot.js";
import { hourly } from "/js/shared/rates.js";
import { traffic, trafficDays } from "/js/user/usage-traffic.js";

const SECONDS = 60;
const AT_ONCE = 20;
const DAY_MS = 86_400_000;
let view = null;

/** Without the year, which the filter above says. */
const shortDay = (iso) => new Date(iso).toLocaleDateString(currentLanguage(), { day: "numeric", month: "short", timeZone: "UTC" });
const isoDay = (moment) => moment.toISOString().slice(0, 10);
const hours = (seconds) => number(seconds / 3600, { style: "unit", unit: "hour", maximumFractionDigits: 2 });
const itemName = (one) => meterName(one, view.titles);
const times = ({ quantity, unit }) => (unit ? quantityOf(quantity, unit) : quantity !== 1 && `× ${number(quantity)}`);

const tile = (name, figure, hint, testid) => html`<section class="card tile" data-testid="${testid}"><h2 class="eyebrow">${t(name)}</h2>
  <strong class="figure">${figure}</strong><p class="hint">${hint}</p></section>`;

const tiles = (it) => html`<div class="tiles">
  ${tile("usage.per_hour", hourly(it.per_hour, it.currency), t("usage.per_month", { amount: amount(it.per_month, it.currency) }), "per-hour")}
  ${tile("usage.this_month", amount(it.this_month, it.currency), t("usage.with_tax"), "this-month")}
  ${tile("usage.accrued", amount(it.accrued, it.currency), t("usage.accrued_text"), "accrued")}</div>`;

function days({ since, until }) {
  const found = [];
  for (let at = Date.parse(since); at <= Date.parse(until); at += DAY_MS) found.push(isoDay(new Date(at)));
  return found;
}

/** The dearest services have a colour each, the others share the last one. */
function plot(it) {
  const all = it.services.filter(({ gross }) => gross > 0);
  const own = all.length > COLOURS ? all.slice(0, COLOURS - 1) : all;
  const names = own.map(({ service }) => service.name);
  if (own.length < all.length) names.push(t("usage.others"));
  const place = new Map(own.map(({ service }, at) => [service.id, at]));
  const sums = new Map(days(it).map((one) => [one, names.map(() => 0)]));
  for (const charge of it.charges) {
    const at = place.get(charge.service.id) ?? names.length - 1;
    if (sums.has(charge.day) && names.length) sums.get(charge.day)[at] += charge.gross;
  }
  const bars = [...sums].map(([one, values]) => ({ label: day(one), values }));
  return stackedBars(bars, names, { label: t("usage.plot"), said: (minor) => amount(minor, it.currency) });
}

const serviceName = ({ id, name, deleted }) => (deleted ? html`<span>${name}</span> <span class="hint">${t("usage.deleted")}</span>` : html`<a href="/services/${id}">${name}</a>`);

const serviceTable = ({ services, currency, gross }) => html`<div class="table-scroll"><table class="table" data-testid="usage-services">
  <caption class="eyebrow">${t("usage.by_service")}</caption>
  <thead><tr><th scope="col">${t("usage.service")}</th><th scope="col" class="amount">${t("usage.time")}</th><th scope="col" class="amount">${t("usage.cost")}</th></tr></thead>
  <tbody>${services.map((one) => html`<tr><th scope="row">${serviceName(one.service)}</th><td class="amount">${hours(one.seconds)}</td><td class="amount">${amount(one.gross, currency)}</td></tr>`)}</tbody>
  <tfoot><tr><th scope="row">${t("usage.total")}</th><td></td><td class="amount">${amount(gross, currency)}</td></tr></tfoot></table></div>`;

const chargeRow = (one) => html`<tr data-testid="charge-row"><td class="date"><time datetime="${one.day}">${shortDay(one.day)}</time></td><th scope="row">${one.service.name}<span class="hint cut">${[itemName(one), times(one)].filter(Boolean).join(" · ")}</span></th>
  <td class="amount time">${one.seconds !== 0 && hours(one.seconds)}</td>
  <td class="amount">${amount(one.gross, one.currency)}${!one.posted_at && html`<span class="hint cut">${t("usage.open")}</span>`}</td>
  <td><button class="button small" type="button" data-action="usage.trace" data-id="${one.id}" aria-label="${t("usage.trace_of", { service: one.service.name, day: day(one.day) })}">${t("usage.trace")}</button></td></tr>`;

const chargeTable = (charges) => html`<div class="table-scroll"><table class="table charges"><caption class="eyebrow">${t("usage.by_day")}</caption>
  <thead><tr><th scope="col">${t("usage.day")}</th><th scope="col">${t("usage.service")}</th><th scope="col" class="amount time">${t("usage.time")}</th>
    <th scope="col" class="amount">${t("usage.cost")}</th><th scope="col"><span class="unseen">${t("usage.trace")}</span></th></tr></thead>
  <tbody>${charges.map(chargeRow)}</tbody></table></div>`;

const nothing = () => html`<div class="card state">${scene("calm")}<h2>${t("usage.empty")}</h2><p>${t("usage.empty_text")}</p></div>`;

function draw() {
  const { it } = view;
  const newest = [...it.charges].reverse();
  render(
    view.part("spending"),
    it.charges.length
      ? [html`<section class="card stack">${plot(it)}</section>`, serviceTable(it), chargeTable(newest.slice(0, view.shown)), traffic(view.forecast, it)]
      : [nothing(), traffic(view.forecast, it)],
  );
  view.part("more").hidden = newest.length <= view.shown;
}

async function load() {
  const [forecast, it] = await Promise.all([
    get(`${view.path}/forecast`, {}, view.signal),
    get(`${view.path}/usage`, view.filters, view.signal),
  ]);
  Object.assign(view, { it, forecast });
  render(view.part("tiles"), tiles(forecast));
  offerServices(it);
  view.root.querySelector("[name=since]").value = view.filters.since || it.since;
  view.root.querySelector("[name=until]").value = view.filters.until || it.until;
  draw();
}

/** Once a service was seen it can be chosen, however the list is narrowed now. */
function offerServices({ services }) {
  const choice = view.root.querySelector("[name=service_id]");
  const present = new Set([...choice.options].map(({ value }) => value));
  choice.append(...services.filter(({ service }) => !present.has(service.id)).map(({ service }) => new Option(service.name, service.id)));
  choice.value = view.filters.service_id;
}

export async function mount(root, { query, signal }) {
  const project = billingTabs(root);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  if (!project) return render(part("spending"), nothing());
  const filters = { since: query.since ?? "", until: query.until ?? "", service_id: query.service_id ?? "" };
  view = { root, part, signal, filters, shown: AT_ONCE, path: `/projects/${project.id}/billing`, titles: new Map(), it: null, forecast: null };
  const lists = await Promise.all([get("/plans", {}, signal), get("/addons", {}, signal)]);
  view.titles = new Map(lists.flatMap(({ items }) => items.map(({ id, title }) => [id, title])));
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}

const cause = ({ kind, occurred_at: at, deployment }) => html`${known(`usage.event.${kind}`, kind)}, ${dateTime(at)}
  ${deployment && html` · <a href="/deployments/${deployment.id}">${t("usage.deployment", { number: deployment.number })}</a>`}`;

const piece = (one) => html`<tr><td>${clock(one.from_at)} – ${clock(one.to_at)}</td><td class="amount">${hours(one.seconds)}</td><td>${cause(one.event)}</td></tr>`;

const origin = (it) => html`<div class="stack"><h2 id="sheet-title">${t("usage.trace_of", { service: it.service.name, day: day(it.day) })}</h2>
  <dl class="facts">
    <div><dt>${t("usage.what")}</dt><dd>${itemName(it)}</dd></div>
    ${times(it) && html`<div><dt>${t("usage.amount_of")}</dt><dd>${times(it)}</dd></div>`}
    <div><dt>${t("usage.price")}</dt><dd>${priceIn(it)}</dd></div>
    ${it.seconds !== 0 && html`<div><dt>${t("usage.time")}</dt><dd>${hours(it.seconds)}</dd></div>`}
    <div><dt>${t("usage.cost")}</dt><dd>${amount(it.gross, it.currency)}${it.tax !== 0 && html` <span class="hint">${t("usage.of_it_tax", { amount: amount(it.tax, it.currency) })}</span>`}</dd></div>
    <div><dt>${t("usage.posted")}</dt><dd>${it.posted_at ? dateTime(it.posted_at) : t("usage.open")}</dd></div></dl>
  ${it.traffic ? behind(it.traffic) : pieces(it.records)}
  <form class="row dialog-buttons" method="dialog"><button class="button primary" type="submit">${icon("close")}${t("usage.close")}</button></form></div>`;

const pieces = (records) => html`<div class="table-scroll"><table class="table"><caption class="eyebrow">${t("usage.pieces")}</caption>
    <thead><tr><th scope="col">${t("usage.when")}</th><th scope="col" class="amount">${t("usage.time")}</th><th scope="col">${t("usage.cause")}</th></tr></thead>
    <tbody>${records.map(piece)}</tbody></table></div>
  <p class="hint">${t("usage.rounding")}</p>`;

const behind = (it) => html`<dl class="facts"><div><dt>${t("usage.used")}</dt><dd>${bytes(it.used_bytes)}</dd></div>
  <div><dt>${t("usage.included")}</dt><dd>${bytes(it.included_bytes)}</dd></div></dl>${trafficDays(it.days)}`;

function priceIn(it) {
  const price = amount(it.month_minor, it.currency);
  if (it.unit) return priceOf({ id: it.addon_id, unit: it.unit }, price);
  return t(it.quantity === 1 ? "usage.a_month" : "usage.each", { amount: price });
}

export const actions = {
  "usage.filter": (field) => {
    if (!field.value && field.type === "date") return Promise.resolve();
    if (field.name !== "service_id") {
      const [since, until] = ["since", "until"].map((name) => view.root.querySelector(`[name=${name}]`));
      // Of two days that cross each other the one that was just chosen counts.
      if (since.value > until.value) (field === since ? until : since).value = field.value;
      Object.assign(view.filters, { since: since.value, until: until.value });
    } else {
      view.filters.service_id = field.value;
    }
    view.shown = AT_ONCE;
    noteInAddress(view.filters);
    return load();
  },
  "usage.more": () => {
    view.shown += AT_ONCE;
    draw();
  },
  "usage.export": (button) => {
    const { since, until } = view.it;
    const asked = { ...view.filters, since, until };
    return busily(button, () => download(`${view.path}/usage.csv`, asked, `usage-${since}-${until}.csv`));
  },
  "usage.trace": async ({ dataset }) => {
    sheet(origin(await get(`${view.path}/usage/charges/${dataset.id}`, {}, view.signal)), "usage-trace");
  },
};
