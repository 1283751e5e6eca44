/** The machines that services run on: what each can take, and what no machine takes. */

import { get, post } from "/js/core/api.js";
import { html, icon, render, repeat, scene } from "/js/core/dom.js";
import { loadTexts, number, t } from "/js/core/i18n.js";
import { capacity, draining, nodeBadges } from "/js/admin/node-parts.js";
import { ask } from "/js/shared/dialog.js";
import { showOnce } from "/js/user/once.js";

const SECONDS = 8;
let view = null;

const role = (node) => [t(`nodes.role.${node.role}`), node.here && t("nodes.here")].filter(Boolean).join(" · ");

const card = (node) => html`<article class="card stack" data-key="${node.id}" data-testid="node-card">
  <div class="row between"><h2><a href="/admin/nodes/${node.id}">${node.name}</a></h2>${nodeBadges(node)}</div>
  <p class="muted address">${role(node)} · <code>${node.address}</code> · Docker ${node.version}</p>
  ${node.why && html`<p class="hint">${node.why}</p>`}
  ${draining(node)}${capacity(node)}
  <p>${t("nodes.has", { units: number(node.units), volumes: number(node.volumes) })}</p>
  ${Object.keys(node.labels).length > 0 && html`<p class="row">${Object.entries(node.labels).map(([name, value]) => html`<span class="tag">${name}${value && `=${value}`}</span>`)}</p>`}
</article>`;

const waitingRow = (one) => html`<li class="address">${one.service ? html`<a href="/services/${one.service.id}">${one.service.name}</a>` : t("nodes.leaving")} <span class="muted">${one.process}.${one.replica}</span>
  <span class="hint">${one.node ? t("nodes.waits_for", { node: one.node }) : one.why}</span></li>`;

function content({ supported, registry, nodes, waiting }) {
  if (!supported) return html`<div class="card state">${scene("calm")}<h2>${t("nodes.one_machine")}</h2><p>${t("nodes.one_machine_text")}</p></div>`;
  return html`${waiting.length > 0 && html`<section class="callout" data-tone="warn" data-testid="waiting"><h2>${t("nodes.waiting")}</h2><ul class="plain stack tight">${waiting.map(waitingRow)}</ul></section>`}
    ${nodes.length > 1 && !registry && html`<div class="callout" data-tone="warn"><p>${t("nodes.no_registry")}</p></div>`}
    ${registry && html`<p class="muted address">${t("nodes.registry")} <code>${registry}</code></p>`}
    <div class="pair">${nodes.map(card)}</div>
    ${nodes.length === 1 && html`<div class="card stack"><h2>${t("nodes.only_one")}</h2><p>${t("nodes.only_one_text")}</p></div>`}`;
}

async function load() {
  const found = await get("/admin/nodes", {}, view.signal);
  render(view.part("nodes"), content(found));
  render(view.part("add"), found.supported && html`<div class="row"><button class="button" type="button" data-action="nodes.rotate">${icon("key")}${t("nodes.rotate")}</button>
    <button class="button primary" type="button" data-action="nodes.add" data-testid="add-node">${icon("plus")}${t("nodes.add")}</button></div>`);
}

export async function mount(root, { signal }) {
  view = { signal, part: (which) => root.querySelector(`[data-part=${which}]`) };
  await load();
  repeat(() => load().catch(() => {}), SECONDS, signal);
}

async function join(rotate) {
  const [{ command }] = await Promise.all([post("/admin/node-join-order", { rotate }), loadTexts("applications")]);
  showOnce({ title: t("nodes.add_title"), secret: { label: t("nodes.command"), value: command } });
}

export const actions = {
  "nodes.add": () => join(false),
  "nodes.rotate": async () => {
    if (await ask({ title: t("nodes.rotate"), text: t("nodes.rotate_text"), confirm: t("nodes.rotate") })) await join(true);
  },
};

