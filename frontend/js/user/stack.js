/** A stack: how its services are, its secrets, trying again, upgrading, deleting. */

import { get, post } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { badge, html, icon, render, webAddress } from "/js/core/dom.js";
import { loadTexts, localised, t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask, sheet } from "/js/shared/dialog.js";
import { mayDeploy } from "/js/shared/may.js";
import { explained } from "/js/shared/reasons.js";
import { field, given } from "/js/user/template-form.js";

const EVERY_MS = 3000;
let view = null;

const reason = (one) =>
  one.behind && one.deployment_reason &&
  explained({ code: one.deployment_reason_code, message: one.deployment_reason, parameters: one.deployment_reason_parameters });

/** A digest by its first signs, as it is told apart. */
const short = (image) => image?.replace(/@sha256:(.{12}).*/, "@$1…");
const named = (parts) => parts.map((part) => view.stack.services.find((one) => one.part === part)?.name ?? part).join(", ");

const place = (one) =>
  webAddress(one.url)
    ? html`<a class="row-link" href="${one.url}" target="_blank" rel="noopener">${one.url.replace(/^https?:\/\//, "")}</a>`
    : one.port
      ? html`<span class="hint mono">${one.host}:${one.port}</span>`
      : html`<span class="hint">${t("stacks.no_address")}</span>`;

const row = (one) => html`<li class="card stack tight" data-key="${one.id}" data-testid="part-${one.part}">
  <div class="row"><a class="row-name" href="/services/${one.id}">${one.name}</a>${badge(one.status)}</div>
  ${one.dropped && html`<div class="callout" data-tone="warn" data-testid="dropped"><p>${t("stacks.dropped")} ${mayDeploy(view.stack) && html`<a href="/services/${one.id}/settings">${t("stacks.to_deletion")}</a>`}</p></div>`}
  <span class="hint">${!one.dropped && localised(one.title)}${one.image && html`${!one.dropped && " · "}<span class="mono" title="${one.image}">${short(one.image)}</span>`}</span>
  ${place(one)}
  ${one.waiting && html`<p class="hint">${t("stacks.waits", { names: named(one.needs) })}</p>`}
  ${one.deployment_state && html`<a href="/deployments/${one.deployment_id}">${t("stacks.deployment")}: ${t(`state.${one.deployment_state}`)}</a>`}
  ${reason(one)}</li>`;

const secret = ({ name, title, masked }) => html`<li class="row"><span>${localised(title)}</span><span class="mono">${masked}</span>
  <button class="button" type="button" data-action="stack.reveal" value="${name}" data-testid="reveal-${name}">${icon("eye")}${t("stacks.reveal")}</button></li>`;

const upgrade = ({ upgrade: next }, may) =>
  next &&
  html`<div class="callout" data-tone="info" data-testid="upgrade"><strong>${t("stacks.upgrade_title", { version: next.version })}</strong>
    ${next.changes && html`<p>${localised(next.changes)}</p>`}
    <ul>${next.images.map((one) => html`<li class="mono">${one.name}: ${short(one.before)} → ${short(one.after)}</li>`)}</ul>
    ${next.added.length > 0 && html`<p>${t("stacks.adds")}</p><ul>${next.added.map((one) => html`<li>${localised(one.title)} <span class="mono">${one.name}</span> · ${t("stacks.plan")} ${one.plan_id}</li>`)}</ul>`}
    ${next.dropped.length > 0 && html`<p>${t("stacks.drops")}</p><ul>${next.dropped.map((one) => html`<li class="mono">${one.name}</li>`)}</ul>`}
    <p class="hint">${t("stacks.upgrade_text")}</p>
    ${may && html`<div class="row"><button class="button primary" type="button" data-action="stack.upgrade">${t("stacks.upgrade")}</button></div>`}</div>`;

function show(stack) {
  view.stack = stack;
  const may = mayDeploy(stack) && !stack.deleting;
  const behind = stack.services.some((one) => one.behind);
  render(
    view.root,
    html`<header class="page-head"><div><nav class="crumbs" aria-label="${t("shell.crumbs")}"><a href="/catalogue">${t("stacks.catalogue")}</a></nav>
        <h1>${stack.name}</h1><p class="hint">${localised(stack.title)} · ${t("stacks.version", { version: stack.version })}</p></div>
      <div class="row verbs">${may && behind && html`<button class="button primary" type="button" data-action="stack.again" data-testid="again">${icon("again")}${t("stacks.again")}</button>`}
        ${may && html`<button class="button danger" type="button" data-action="stack.delete" data-testid="delete-stack">${icon("trash")}${t("stacks.delete")}</button>`}</div></header>
      <div class="stack">${stack.deleting && html`<div class="callout" data-tone="warn"><strong>${t("stacks.deleting")}</strong></div>`}
        ${upgrade(stack, may)}<ul class="stack">${stack.services.map(row)}</ul>
        ${stack.secrets.length > 0 && html`<section class="card stack"><h2>${t("stacks.secrets")}</h2><ul class="stack tight">${may ? stack.secrets.map(secret) : null}</ul></section>`}</div>`,
  );
}

async function refresh() {
  show(await get(`/stacks/${view.id}`, {}, view.signal));
}

export async function mount(root, { params, signal, name }) {
  view = { root: root.querySelector("[data-part=stack]"), id: params.id, signal, stack: null };
  await loadTexts("reasons");
  await refresh();
  name(view.stack.name);
  const timer = setInterval(() => {
    const moves = view.stack.deleting || view.stack.services.some((one) => !["live", "failed", "cancelled", "rolled_back"].includes(one.deployment_state));
    if (moves && !document.hidden) refresh().catch((error) => error.status === 404 && navigate("/catalogue", { replace: true }));
  }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

export const actions = {
  "stack.again": async () => {
    await post(`/stacks/${view.id}/deployments`);
    await refresh();
  },
  "stack.upgrade": async () => {
    const { version, parameters } = view.stack.upgrade;
    const sent = await askForm(
      { title: t("stacks.upgrade_title", { version }), text: t("stacks.upgrade_text"), fields: html`${parameters.map(field)}`, confirm: t("stacks.upgrade"), cancel: t("dialog.cancel"), testid: "upgrade-form" },
      () => post(`/stacks/${view.id}/upgrade`, { version, parameters: given(document.querySelector("[data-testid=upgrade-form] form"), parameters) }),
    );
    if (sent) await refresh();
  },
  "stack.delete": async () => {
    const { name } = view.stack;
    const sure = await ask({ title: t("stacks.delete_title", { name }), text: t("stacks.delete_text"), confirm: t("stacks.delete"), type: name });
    if (!sure) return;
    await post(`/stacks/${view.id}/removal`, { name });
    await refresh();
  },
  "stack.reveal": async (button) => {
    const { name, value } = await post(`/stacks/${view.id}/secrets/reveal`, { name: button.value });
    const { title } = view.stack.secrets.find((one) => one.name === name);
    sheet(
      html`<form class="stack" method="dialog"><h2 id="sheet-title">${localised(title)}</h2>
        <div class="field"><label class="unseen" for="secret-shown">${localised(title)}</label><input class="input mono" id="secret-shown" readonly value="${value}"></div>
        <div class="row dialog-buttons"><button class="button primary" type="submit">${t("stacks.close")}</button></div></form>`,
      "secret-shown",
    );
  },
};
