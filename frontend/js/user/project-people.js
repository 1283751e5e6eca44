/** The people of a project: its members, and those who are invited. */

import { get, patch, post, profile, remove } from "/js/core/api.js";
import { refreshAccount, showAnew } from "/js/core/app.js";
import { html, icon, pages, render, since } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 10;
const ROLES = ["owner", "developer", "billing", "viewer"];
let view = null;

export const roleName = (role) => t(`people.role.${role}`);
/** A personal project has one owner. */
const roles = () => (view.project.personal ? ROLES.slice(1) : ROLES);
const owns = () => view.project.role === "owner";

const choice = (member) => html`<select class="input" data-action="members.role" data-user="${member.user_id}" data-was="${member.role}"
    aria-label="${t("people.role_of", { name: member.name })}" data-keep>${(member.role === "owner" ? ROLES : roles()).map(
      (role) => html`<option value="${role}" ${role === member.role && html`selected`}>${roleName(role)}</option>`,
    )}</select>`;

const memberRow = (member) => html`<li class="grid-row member-row" data-key="${`${member.user_id} ${member.role}`}" data-testid="member">
  <div><strong class="row-title">${member.name} ${member.user_id === view.me && html`<span class="tag">${t("people.you")}</span>`}</strong>
    <span class="hint cut">${member.email}</span></div>
  <div>${owns() ? choice(member) : html`<span class="tag" data-state="role">${roleName(member.role)}</span>`}</div>
  <div class="hint">${since(member.created_at)}</div>
  <div class="row-end">${
    owns() &&
    member.user_id !== view.me &&
    html`<button class="icon-button" type="button" data-action="members.remove" data-user="${member.user_id}" data-name="${member.name}"
      aria-label="${t("people.remove_named", { name: member.name })}">${icon("trash")}</button>`
  }</div></li>`;

const invitationRow = (one) => html`<li class="grid-row member-row" data-key="${one.id}" data-testid="invited">
  <div><strong class="cut">${one.email}</strong><span class="hint cut">${one.invited_by && t("people.invited_by", { email: one.invited_by })}</span></div>
  <div><span class="tag" data-state="role">${roleName(one.role)}</span></div>
  <div class="hint">${one.expired ? html`<span class="badge" data-state="failed">${t("people.expired")}</span>` : t("people.good_until", { date: dateTime(one.expires_at) })}</div>
  <div class="row-end">${
    owns() &&
    html`<button class="icon-button" type="button" data-action="invitations.resend" data-id="${one.id}" data-email="${one.email}"
        aria-label="${t("people.resend_to", { email: one.email })}">${icon("again")}</button>
      <button class="icon-button" type="button" data-action="invitations.revoke" data-id="${one.id}" data-email="${one.email}"
        aria-label="${t("people.revoke_of", { email: one.email })}">${icon("trash")}</button>`
  }</div></li>`;

const table = (rows) => html`<div class="grid-list"><ul>${rows}</ul></div>`;

function showMembers({ items, next }) {
  view.members = items;
  render(view.part("members"), table(items.map(memberRow)));
  view.part("more-members").hidden = !next;
  view.changed();
}

function showInvitations({ items, next }) {
  const none = html`<div class="card"><p class="muted">${t("people.no_invitations")}</p></div>`;
  render(view.part("invitations"), items.length ? table(items.map(invitationRow)) : none);
  view.part("more-invitations").hidden = !next;
}

/** `changed` is called when the members are known, and whenever they differ. */
export async function showPeople(part, project, signal, changed) {
  const path = `/projects/${project.id}`;
  const list = (below, show) =>
    pages({ load: (page) => get(`${path}/${below}`, page, signal), show, signal, seconds: SECONDS });
  view = { part, project, path, changed, me: profile()?.id, members: [] };
  view.list = list("members", showMembers);
  view.invitations = list("invitations", showInvitations);
  part("invite").hidden = !owns();
  const options = roles().map((role) => html`<option value="${role}">${roleName(role)}</option>`);
  render(part("invite").elements.role, options);
  part("invite").elements.role.value = "developer";
  explainRole("developer");
  await Promise.all([view.list.reload(), view.invitations.reload()]);
}

export const members = () => view.members;

function explainRole(role) {
  view.part("role-hint").textContent = t(`people.role_hint.${role}`);
}

async function setRole(select) {
  const { user, was } = select.dataset;
  if (user === view.me && !(await ask({ title: t("people.demote_self"), text: t("people.demote_self_text"), confirm: t("people.change") }))) {
    select.value = was;
    return;
  }
  try {
    await patch(`${view.path}/members/${user}`, { role: select.value });
  } catch (error) {
    select.value = was;
    throw error;
  }
  toast(t("people.role_changed"));
  if (user !== view.me) return void (await view.list.refresh());
  await refreshAccount();
  await showAnew();
}

export const actions = {
  "members.more": () => view.list.more(),
  "members.role": setRole,
  "members.remove": async ({ dataset: { user, name } }) => {
    const question = { title: t("people.remove_title", { name }), text: t("people.remove_text"), confirm: t("people.remove") };
    if (!(await ask(question))) return;
    await remove(`${view.path}/members/${user}`);
    toast(t("people.removed", { name }));
    await Promise.all([view.list.refresh(), view.invitations.refresh()]);
  },
  "invitations.more": () => view.invitations.more(),
  "invitations.role": (select) => explainRole(select.value),
  "invitations.send": (form) =>
    complete(form) &&
    submit(form, async () => {
      const { email, role } = values(form);
      await post(`${view.path}/invitations`, { email: email.trim(), role });
      form.elements.email.value = "";
      toast(t("people.invited", { email: email.trim() }));
      await view.invitations.refresh();
    }),
  "invitations.resend": async ({ dataset: { id, email } }) => {
    await post(`${view.path}/invitations/${id}/resend`);
    toast(t("people.invited", { email }));
    await view.invitations.refresh();
  },
  "invitations.revoke": async ({ dataset: { id, email } }) => {
    const question = { title: t("people.revoke_title", { email }), text: t("people.revoke_text"), confirm: t("people.revoke") };
    if (!(await ask(question))) return;
    await remove(`${view.path}/invitations/${id}`);
    toast(t("people.revoked"));
    await view.invitations.refresh();
  },
};
