/** One node: what is on it, and what is done to it. */

import { get, post, remove, replace } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { html, icon, render, repeat } from "/js/core/dom.js";
import { bytes, number, t } from "/js/core/i18n.js";
import { capacity, cores, draining, nodeBadges } from "/js/admin/node-parts.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 4;
let view = null;

const facts = (node) => html`<dl class="facts">
  <div><dt>${t("nodes.address")}</dt><dd><code>${node.address}</code></dd></div>
  <div><dt>${t("nodes.role")}</dt><dd>${t(`nodes.role.${node.role}`)}${node.leader && ` · ${t("nodes.leader")}`}${node.here && ` · ${t("nodes.here")}`}</dd></div>
  <div><dt>Docker</dt><dd>${node.version}, ${node.architecture}</dd></div>
  ${node.image_bytes !== null && html`<div><dt>${t("nodes.images")}</dt><dd>${bytes(node.image_bytes)}</dd></div>`}</dl>`;

const owner = (service) =>
  service ? html`<a href="/services/${service.id}">${service.name}</a> <span class="muted">${service.project_name}</span>` : t("nodes.leaving");

const unitRow = (unit) => html`<li class="row between" data-testid="placed-unit"><span class="address">${owner(unit.service)} <code>${unit.process}.${unit.replica}</code></span>
  <span class="muted">${bytes(unit.memory_bytes)} · ${cores(unit.cpu_millis)}${!unit.running && ` · ${t("nodes.starting")}`}</span></li>`;

const volumeRow = (volume) => html`<li class="row between"><span class="address">${owner(volume.service)} <code>${volume.name}</code></span><span class="muted">${bytes(volume.size_bytes)}</span></li>`;

const buttons = (node) => html`<div class="row">
  ${node.availability !== "active" && html`<button class="button primary" type="button" data-action="node.active">${icon("play")}${t("nodes.activate")}</button>`}
  ${node.availability === "active" && html`<button class="button" type="button" data-action="node.pause">${icon("stop")}${t("nodes.pause")}</button>`}
  ${node.availability !== "drain" && html`<button class="button" type="button" data-action="node.drain" data-testid="drain-node">${icon("down")}${t("nodes.drain")}</button>`}
  <button class="button" type="button" data-action="node.labels">${t("nodes.labels")}</button>
  ${node.state === "down" && node.role === "worker" && html`<button class="button danger" type="button" data-action="node.remove">${icon("trash")}${t("nodes.remove")}</button>`}</div>`;

const labelsOf = (node) => Object.entries(node.labels).map(([name, value]) => (value ? `${name}=${value}` : name));

const content = (node) => html`${draining(node)}
  <section class="card stack">${nodeBadges(node)}${node.why && html`<p class="hint">${node.why}</p>`}${facts(node)}${capacity(node)}
    ${labelsOf(node).length > 0 && html`<p class="row">${labelsOf(node).map((label) => html`<span class="tag">${label}</span>`)}</p>`}
    ${buttons(node)}
    ${node.state !== "down" && node.role === "worker" && html`<p class="hint">${t("nodes.remove_how")}</p>`}</section>
  <section class="card stack"><h2>${t("nodes.placed")}</h2>
    ${node.placed.length > 0 ? html`<ul class="plain stack tight">${node.placed.map(unitRow)}</ul>` : html`<p class="muted">${t("nodes.empty")}</p>`}</section>
  ${node.pinned.length > 0 && html`<section class="card stack" data-testid="pinned"><h2>${t("nodes.pinned")}</h2><p class="hint">${t("nodes.pinned_text")}</p>
    <ul class="plain stack tight">${node.pinned.map(volumeRow)}</ul></section>`}`;

function show(node) {
  view.node = node;
  view.part("name").textContent = node.name;
  render(view.part("node"), content(node));
}

export async function mount(root, { params, signal }) {
  view = { id: params.id, signal, part: (which) => root.querySelector(`[data-part=${which}]`) };
  const load = async () => show(await get(`/admin/nodes/${view.id}`, {}, signal));
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}

const become = async (availability, more = {}) => {
  show(await post(`/admin/nodes/${view.id}/availability`, { availability, ...more }));
  toast(t(`nodes.became.${availability}`));
};

function read(text) {
  const pairs = text.split(/[\s,]+/).filter(Boolean);
  return Object.fromEntries(pairs.map((pair) => [pair.split("=", 1)[0], pair.slice(pair.split("=", 1)[0].length + 1)]));
}

export const actions = {
  "node.active": () => become("active"),
  "node.pause": () => become("pause"),
  "node.drain": async () => {
    const { node } = view;
    const stuck = [...new Set(node.pinned.map(({ service }) => service.name))];
    const details = stuck.length > 0 && html`<div class="callout" data-tone="warn"><p>${t("nodes.stuck", { services: stuck.join(", ") })}</p></div>`;
    const agreed = await ask({ title: t("nodes.drain_title", { node: node.name }), text: t("nodes.drain_text", { units: number(node.units) }), details, confirm: t("nodes.drain"), type: stuck.length > 0 ? node.name : undefined });
    if (agreed) await become("drain", { accept_standstill: stuck.length > 0 });
  },
  "node.labels": async () => {
    const sent = await askForm(
      {
        title: t("nodes.labels"),
        fields: html`<div class="field"><label for="node-labels">${t("nodes.labels_field")}</label>
          <textarea class="input mono" id="node-labels" name="labels" rows="5" maxlength="2000" spellcheck="false" autofocus>${labelsOf(view.node).join("\n")}</textarea>
          <span class="hint">${t("nodes.labels_hint")}</span></div>`,
        confirm: t("nodes.save"),
        cancel: t("dialog.cancel"),
        testid: "labels",
      },
      async ({ labels }) => show(await replace(`/admin/nodes/${view.id}/labels`, { labels: read(labels ?? "") })),
    );
    if (sent) toast(t("nodes.saved"));
  },
  "node.remove": async () => {
    const { node } = view;
    if (!(await ask({ title: t("nodes.remove_title", { node: node.name }), text: t("nodes.remove_text"), confirm: t("nodes.remove"), type: node.name }))) return;
    await remove(`/admin/nodes/${node.id}`);
    toast(t("nodes.removed"));
    await navigate("/admin/nodes");
  },
};
