/** What a service takes of the machine: now, and over time. */

import { get } from "/js/core/api.js";
import { html, render, repeat } from "/js/core/dom.js";
import { dateTime, loadTexts, number, t } from "/js/core/i18n.js";
import { cores, memory, rate } from "/js/shared/measures.js";
import { reasonOfEvent } from "/js/shared/timeline.js";
import { sheet } from "/js/shared/vendored.js";
import { metricPlot } from "/js/user/metric-plot.js";

const RANGES = ["1h", "24h", "7d", "90d"];
const SECONDS = 15;
const ROWS = 24;
let view = null;

const unitName = ({ process, replica }) => (process ? `${process}.${replica}` : t("metrics.all_units"));

const choice = (name, values, chosen) => html`<fieldset class="row metric-choice" data-testid="metric-${name}"><legend class="unseen">${t(`metrics.${name}`)}</legend>
  ${values.map((value) => html`<button class="button small" type="button" data-action="metrics.${name}" data-value="${value}" aria-pressed="${String(value === chosen)}">${t(`metrics.${name}_${value}`)}</button>`)}</fieldset>`;

const tile = (title, figure, hint) => html`<div class="card tile"><span class="eyebrow">${title}</span><strong class="figure">${figure}</strong>${hint && html`<span class="hint">${hint}</span>`}</div>`;

const total = (units, name) => {
  const values = units.map((unit) => unit[name]).filter((value) => value !== null);
  return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
};

function tiles({ now, limits }) {
  if (!now.length) return html`<p class="muted">${t("metrics.nothing_now")}</p>`;
  const of = (limit, said) => limit && t("metrics.of_limit", { limit: said(limit * now.length) });
  const received = total(now, "received");
  return html`<div class="tiles" data-testid="metrics-now">
    ${tile(t("metrics.cpu"), cores(total(now, "cpu_millis")), of(limits.cpu_millis, cores))}
    ${tile(t("metrics.memory"), memory(total(now, "memory_bytes")), of(limits.memory_bytes, memory))}
    ${received !== null && tile(t("metrics.network"), rate(received), t("metrics.sent_now", { rate: rate(total(now, "sent")) }))}
    ${tile(t("metrics.units"), number(now.length), now.map(unitName).join(", "))}</div>`;
}

/** Each measure as it is drawn and told. */
function plots({ series, limits, now }, by) {
  const count = by === "sum" ? Math.max(1, now.length) : 1;
  const line = (name, label) => series.map((one) => ({ label: label ?? unitName(one), values: one[name] }));
  const has = (name) => series.some((one) => one[name].some((value) => value !== null));
  return [
    { id: "cpu", title: t("metrics.cpu"), said: cores, limit: limits.cpu_millis * count, lines: line("cpu_millis") },
    { id: "memory", title: t("metrics.memory"), said: memory, binary: true, limit: limits.memory_bytes * count, lines: line("memory_peak"), crashes: true },
    has("received") && {
      id: "network",
      title: t("metrics.network"),
      said: rate,
      binary: true,
      lines: by === "sum" ? [...line("received", t("metrics.received")), ...line("sent", t("metrics.sent"))] : series.flatMap((one) => [
        { label: `${unitName(one)} ↓`, values: one.received },
        { label: `${unitName(one)} ↑`, values: one.sent },
      ]),
    },
  ].filter(Boolean);
}

/** The same for those who do not see: some rows, each the highest of its part. */
function table({ at, step }, { title, lines, said }) {
  const part = Math.ceil(at.length / ROWS);
  const rows = [];
  for (let from = 0; from < at.length; from += part) {
    const highest = lines.map(({ values }) => {
      const present = values.slice(from, from + part).filter((value) => value !== null);
      return present.length ? Math.max(...present) : null;
    });
    if (highest.some((value) => value !== null)) rows.push({ at: at[from], highest });
  }
  return html`<details><summary>${t("metrics.as_table")}</summary><div class="table-scroll"><table class="table"><caption class="eyebrow">${t("metrics.table", { title, minutes: Math.round((part * step) / 60) })}</caption>
    <thead><tr><th scope="col">${t("metrics.from")}</th>${lines.map(({ label }) => html`<th scope="col" class="amount">${label}</th>`)}</tr></thead>
    <tbody>${rows.map(({ at: time, highest }) => html`<tr><th scope="row">${dateTime(time * 1000)}</th>${highest.map((value) => html`<td class="amount">${said(value)}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

/** Ends of units within what is shown, which the plot of memory marks. */
const ends = ({ items }, { at }) => items.filter((one) => one.kind === "exited" && Date.parse(one.at) / 1000 >= at[0]);

function draw(metrics, exits) {
  const { root, by, range } = view;
  const shown = plots(metrics, by);
  const empty = !metrics.series.length;
  render(
    root,
    html`${tiles(metrics)}
      <div class="row">${choice("range", RANGES, range)}${choice("by", ["sum", "unit"], by)}</div>
      ${empty && html`<p class="muted" data-testid="metrics-empty">${t("metrics.empty")}</p>`}
      ${!empty && shown.map((one) => html`<section class="card stack" data-key="${one.id}" data-testid="metric-${one.id}"><h2>${one.title}</h2>
        <div class="metric-plot" data-plot="${one.id}" data-keep role="img" aria-label="${t("metrics.plot", { title: one.title, range: t(`metrics.range_${range}`) })}"></div>
        ${one.limit > 0 && html`<p class="hint">${t("metrics.limit", { limit: one.said(one.limit) })}</p>`}
        ${one.crashes && exits.length > 0 && html`<ul class="hint metric-ends">${exits.slice(0, 5).map((exit) => html`<li>${dateTime(exit.at)} · ${unitName(exit)} · ${reasonOfEvent(exit)}</li>`)}</ul>`}
        ${table(metrics, one)}</section>`)}`,
  );
  view.ends.forEach((end) => end());
  view.ends = empty ? [] : shown.map((one) => {
    const marked = one.crashes ? exits.map((exit) => Date.parse(exit.at) / 1000) : [];
    return metricPlot(root.querySelector(`[data-plot=${one.id}]`), { ...one, at: metrics.at, events: marked }, view.signal);
  });
}

async function load() {
  const mine = view;
  const { service, signal, range, by } = mine;
  const [metrics, events] = await Promise.all([
    get(`/services/${service.id}/metrics`, { range, by }, signal),
    get(`/services/${service.id}/events`, { size: 50 }, signal),
  ]);
  if (mine !== view || mine.range !== range || mine.by !== by || signal.aborted) return;
  draw(metrics, ends(events, metrics));
}

export async function open(root, { service, signal }) {
  view = { root, service, signal, range: "1h", by: "sum", ends: [] };
  await Promise.all([loadTexts("looking"), sheet("uplot/uPlot.min.css")]);
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}

const choose = (name) => (button) => {
  view[name] = button.dataset.value;
  return load();
};

export const actions = { "metrics.range": choose("range"), "metrics.by": choose("by") };
