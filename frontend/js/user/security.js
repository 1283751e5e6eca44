/** Security of the own account: second factors, where one is signed in, and who tried to. */

import { get, post, remove } from "/js/core/api.js";
import { html, icon, pages, render, since } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { accountTabs } from "/js/shared/account-tabs.js";
import { ask } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";
import { actions as passwordActions, showPassword } from "/js/user/password.js";
import { actions as factorActions, showFactors } from "/js/user/security-factors.js";

const SECONDS = 30;
let view = null;

const clientName = ({ id, name }) => known(`security.client.${id}`, name);
const deviceName = (device) => device ?? t("security.unknown_device");

const sessionRow = (session) => html`<li class="grid-row session-row" data-key="${session.id}" data-testid="session">
  <div><strong class="row-title">${deviceName(session.device)}</strong>
    <span class="hint">${clientName(session.client)} · ${session.address ?? "—"}</span></div>
  <div class="hint">${t("security.last_used")} ${since(session.last_used_at)}</div>
  <div class="row-end">${
    session.current
      ? html`<span class="tag">${t("security.this_session")}</span>`
      : html`<button class="button" type="button" data-action="security.end" value="${session.id}"
          aria-label="${t("security.end_named", { device: deviceName(session.device) })}">${icon("out")}${t("security.end")}</button>`
  }</div></li>`;

const historyRow = (entry) => html`<li class="grid-row session-row" data-key="${entry.id}" data-testid="sign-in" data-result="${entry.result}">
  <div><strong class="row-title">${t(`security.method.${entry.method}`)}</strong>
    <span class="hint">${deviceName(entry.device)} · ${clientName(entry.client)} · ${entry.address}</span></div>
  <div class="hint">${since(entry.created_at)}</div>
  <div class="row-end"><span class="badge" data-state="${entry.result === "done" ? "succeeded" : "failed"}">${t(`security.result.${entry.result}`)}</span></div></li>`;

const table = (rows) => html`<div class="grid-list"><ul>${rows}</ul></div>`;

function showSessions({ items, next }) {
  render(view.part("sessions"), table(items.map(sessionRow)));
  view.part("more-sessions").hidden = !next;
  view.part("end-others").hidden = items.length < 2;
}

function showHistory({ items, next }) {
  const none = html`<div class="card"><p class="muted">${t("security.history_empty")}</p></div>`;
  render(view.part("history"), items.length ? table(items.map(historyRow)) : none);
  view.part("more-history").hidden = !next;
}

export async function mount(root, { signal }) {
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  accountTabs(root);
  const list = (path, show, size) =>
    pages({ load: (page) => get(path, page, signal), show, signal, size, seconds: SECONDS });
  view = { part, sessions: list("/me/sessions", showSessions, 10), history: list("/me/sign-ins", showHistory, 10) };
  await Promise.all([
    showPassword(root.querySelector("[data-slot=password]")),
    showFactors(part("factors"), signal),
    view.sessions.reload(),
    view.history.reload(),
  ]);
}

export const actions = {
  ...factorActions,
  ...passwordActions,
  "password.change": async (form) => {
    await passwordActions["password.change"](form);
    // It ended the other sessions.
    await view.sessions.reload();
  },
  "security.end": async (button) => {
    await remove(`/me/sessions/${button.value}`);
    toast(t("security.ended"));
    await view.sessions.reload();
  },
  "security.end_others": async () => {
    const question = { title: t("security.end_others_title"), text: t("security.end_others_text"), confirm: t("security.end_others") };
    if (!(await ask(question))) return;
    const { ended } = await post("/me/sessions/end-others");
    toast(t("security.others_ended", { count: ended }));
    await view.sessions.reload();
  },
  "security.more_sessions": () => view.sessions.more(),
  "security.more_history": () => view.history.more(),
};
