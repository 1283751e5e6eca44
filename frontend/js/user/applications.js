/** Who may act for oneself: personal tokens, applications that were given access, and one's own applications. */

import { get, remove } from "/js/core/api.js";
import { html, icon, pages, render, since } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { accountTabs } from "/js/shared/account-tabs.js";
import { copy } from "/js/shared/copy.js";
import { ask } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";
import { applicationActions } from "/js/user/application-form.js";
import { scopeWords } from "/js/user/scopes.js";
import { tokenActions } from "/js/user/token-form.js";

const SECONDS = 60;
let view = null;

const allowed = (scopes) => html`<details><summary>${t("applications.may", { count: scopes.length })}</summary>
  <ul class="scopes">${scopes.map((name) => html`<li>${icon("check")}<span>${scopeWords(name)}</span></li>`)}</ul></details>`;

const used = (at, address) =>
  at ? html`${t("applications.used")} ${since(at)}${address && html`<br>${address}`}` : t("applications.never_used");

const ends = (iso) => {
  if (!iso) return t("applications.never_ends");
  const past = new Date(iso) < new Date();
  return html`<span class="${past ? "field-error" : "hint"}">${t(past ? "applications.ended" : "applications.ends", { date: dateTime(iso) })}</span>`;
};

const tokenRow = (token) => html`<li class="grid-row session-row application-row" data-key="${token.id}" data-testid="token">
  <div><strong class="row-title">${token.name}</strong><span class="hint">${ends(token.expires_at)}</span>
    ${token.networks.length > 0 && html`<span class="hint">${t("applications.only_from", { networks: token.networks.join(", ") })}</span>`}
    ${allowed(token.scopes)}</div>
  <div class="hint">${used(token.last_used_at, token.last_used_address)}</div>
  <div class="row-end"><button class="button danger" type="button" data-action="tokens.delete" value="${token.id}" data-name="${token.name}"
    aria-label="${t("applications.delete_named", { name: token.name })}">${icon("trash")}${t("applications.delete")}</button></div></li>`;

const maker = (who) => (who ? t("applications.made_by", who) : t("applications.made_here"));

const grantRow = ({ id, application, scopes, last_used_at: at }) => html`<li class="grid-row session-row application-row" data-key="${id}" data-testid="grant">
  <div><strong class="row-title">${application.name}</strong><span class="hint">${maker(application.maker)}</span>${allowed(scopes)}</div>
  <div class="hint">${used(at)}</div>
  <div class="row-end"><button class="button danger" type="button" data-action="grants.revoke" value="${id}" data-name="${application.name}"
    aria-label="${t("applications.revoke_named", { name: application.name })}">${t("applications.revoke")}</button></div></li>`;

const applicationRow = (application) => html`<li class="grid-row session-row application-row" data-key="${application.id}" data-testid="application">
  <div><strong class="row-title">${application.name}</strong>
    <span class="hint">${t(application.confidential ? "applications.with_secret" : "applications.without_secret")} </span>
    <span class="row"><code class="secret">${application.id}</code><button class="icon-button" type="button" data-action="applications.copy_id" value="${application.id}"
      aria-label="${t("applications.copy_named", { name: t("applications.client_id") })}" title="${t("applications.copy")}">${icon("copy")}</button></span>
    ${application.previous_secret_until && new Date(application.previous_secret_until) > new Date() && html`<span class="hint">${t("applications.old_secret", { date: dateTime(application.previous_secret_until) })}</span>`}
    ${allowed(application.scopes)}</div>
  <div class="hint">${t("applications.registered")} ${since(application.created_at)}</div>
  <div class="row-end stack tight">
    <button class="button" type="button" data-action="applications.edit" value="${application.id}" aria-label="${t("applications.edit_named", { name: application.name })}">${t("applications.edit")}</button>
    ${application.confidential && html`<button class="button" type="button" data-action="applications.rotate" value="${application.id}" data-name="${application.name}" aria-label="${t("applications.rotate_named", { name: application.name })}">${t("applications.rotate")}</button>`}
    <button class="button danger" type="button" data-action="applications.delete" value="${application.id}" data-name="${application.name}" aria-label="${t("applications.delete_named", { name: application.name })}">${icon("trash")}${t("applications.delete")}</button>
  </div></li>`;

function list(part, path, row, empty, signal) {
  const show = ({ items, next }) => {
    const none = html`<div class="card"><p class="muted">${t(empty)}</p></div>`;
    const table = html`<div class="grid-list"><ul>${items.map(row)}</ul></div>`;
    render(view.part(part), items.length ? table : none);
    view.part(`more-${part}`).hidden = !next;
  };
  return pages({ load: (page) => get(path, page, signal), show, signal, seconds: SECONDS });
}

export async function mount(root, { signal }) {
  accountTabs(root);
  view = { part: (name) => root.querySelector(`[data-part=${name}]`) };
  view.tokens = list("tokens", "/me/tokens", tokenRow, "applications.no_tokens", signal);
  view.grants = list("grants", "/me/grants", grantRow, "applications.no_grants", signal);
  view.own = list("own", "/me/applications", applicationRow, "applications.none", signal);
  await Promise.all([view.tokens.reload(), view.grants.reload(), view.own.reload()]);
}

async function end(button, path, texts, listed) {
  const question = { title: t(texts.title, { name: button.dataset.name }), text: t(texts.text), confirm: t(texts.confirm) };
  if (!(await ask(question))) return;
  await remove(`${path}/${button.value}`);
  toast(t(texts.done));
  await listed.reload();
}

export const actions = {
  ...tokenActions(() => view.tokens.reload()),
  ...applicationActions(() => view.own.reload()),
  "tokens.delete": (button) =>
    end(
      button,
      "/me/tokens",
      { title: "applications.token_delete_title", text: "applications.token_delete_text", confirm: "applications.delete", done: "applications.token_deleted" },
      view.tokens,
    ),
  "grants.revoke": (button) =>
    end(
      button,
      "/me/grants",
      { title: "applications.revoke_title", text: "applications.revoke_text", confirm: "applications.revoke", done: "applications.revoked" },
      view.grants,
    ),
  "applications.copy_id": async (button) => {
    await copy(button.value);
    toast(t("applications.copied"));
  },
  "applications.delete": (button) =>
    end(
      button,
      "/me/applications",
      { title: "applications.delete_title", text: "applications.delete_text", confirm: "applications.delete", done: "applications.deleted" },
      view.own,
    ),
  "tokens.more": () => view.tokens.more(),
  "grants.more": () => view.grants.more(),
  "applications.more": () => view.own.more(),
};
