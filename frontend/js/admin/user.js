/** One user, as administrators see and change them. */

import { get, patch, post, profile, replace } from "/js/core/api.js";
import { html, render, since } from "/js/core/dom.js";
import { dateTime, number, t } from "/js/core/i18n.js";
import { roleTitle } from "/js/admin/users.js";
import { lookAs } from "/js/admin/view-as.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { submit } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const may = (permission) => (profile()?.permissions ?? []).includes(permission);
const isMe = () => view.user.id === profile()?.id;

const fact = (name, value) => html`<div><dt>${t(name)}</dt><dd>${value}</dd></div>`;

const facts = (user) => html`<section class="card stack">
  <div class="page-head"><h2>${t("staff.account")}</h2>${
    user.active
      ? html`<span class="badge" data-state="up">${t("staff.active")}</span>`
      : html`<span class="badge" data-state="failed">${t("staff.blocked")}</span>`
  }</div>
  ${
    !user.active &&
    html`<div class="callout" data-tone="bad"><strong>${t("staff.blocked_since", { date: dateTime(user.blocked_at) })}</strong><span>${user.blocked_reason}</span></div>`
  }
  <dl class="facts">${fact("login.email", html`${user.email} · ${t(user.verified ? "staff.verified" : "staff.unverified")}`)}
    ${fact("staff.since", dateTime(user.created_at))}
    ${fact("staff.last_sign_in", since(user.last_sign_in_at))}
    ${fact("staff.sessions", number(user.sessions))}
    ${fact("staff.second_step", t(user.second_step ? "staff.second_step_on" : "staff.second_step_off"))}</dl>
  <div class="row">${
    may("admin:view_as") && user.active && !isMe() &&
    html`<button class="button" type="button" data-action="user.look" data-testid="view-as">${t("staff.view_as")}</button>`
  }
  ${may("admin:audit") && html`<a class="button" href="/admin/audit?user_id=${user.id}">${t("staff.what_they_did")}</a>`}
  ${
    may("admin:users_write") && !isMe() && user.second_step &&
    html`<button class="button" type="button" data-action="user.reset_factors" data-testid="reset-factors">${t("staff.reset_factors")}</button>`
  }
  ${
    may("admin:users_write") && !isMe() &&
    (user.active
      ? html`<button class="button danger" type="button" data-action="user.block" data-testid="block">${t("staff.block")}</button>`
      : html`<button class="button" type="button" data-action="user.unblock" data-testid="unblock">${t("staff.unblock")}</button>`)
  }</div></section>`;

const projectRow = (project) => html`<li class="grid-row project-row" data-key="${project.id}">
  <div><strong class="row-title">${project.name}</strong>${project.personal && html`<span class="hint">${t("staff.personal")}</span>`}</div>
  <div><span class="tag" data-state="role">${t(`staff.project_role.${project.role}`)}</span></div>
  <div class="row row-end">${may("admin:billing") && html`<a href="/admin/billing/ledger?project_id=${project.id}">${t("staff.ledger")}</a>`}
    ${may("admin:billing_write") && html`<a href="/admin/billing/payments?enter=${project.id}" data-testid="enter-payment">${t("staff.enter_payment")}</a>
    <a href="/admin/billing?project=${project.id}">${t("staff.unpaid")}</a>`}</div></li>`;

const projects = (user) => html`<section class="stack"><h2>${t("nav.projects")}</h2>
  <div class="grid-list"><ul>${user.projects.map(projectRow)}</ul></div></section>`;

const roleBox = (role) => html`<label class="check"><input type="checkbox" name="role" value="${role.name}" ${view.user.roles.includes(role.name) && html`checked`}
    ${(!may("admin:users_write") || (!role.givable && !view.user.roles.includes(role.name))) && html`disabled`}>
  <span><strong>${roleTitle(role)}</strong><span class="hint">${t("staff.permissions_count", { count: role.permissions.length })}</span></span></label>`;

const roles = () => html`<form class="card stack" data-action="user.roles" data-testid="user-roles" data-key="${view.user.roles.join()}" novalidate>
  <h2>${t("staff.roles")}</h2><p class="hint">${t("staff.roles_hint")}</p>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <fieldset class="checks"><legend class="unseen">${t("staff.roles")}</legend>${view.roles.map(roleBox)}</fieldset>
  ${may("admin:users_write") && html`<div><button class="button primary" type="submit">${t("form.save")}</button></div>`}</form>`;

function show(user) {
  view.user = user;
  view.part("title").textContent = user.name;
  view.name(user.name);
  render(view.part("user"), [facts(user), roles(), projects(user)]);
}

export async function mount(root, { params, signal, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, name, path: `/admin/users/${params.id}` };
  const [user, { items }] = await Promise.all([get(view.path, {}, signal), get("/admin/roles", {}, signal)]);
  view.roles = items;
  show(user);
}

const reasonField = (label, hint) => html`<div class="field"><label for="reason">${label}</label>
  <textarea class="input" id="reason" name="reason" rows="3" minlength="3" maxlength="500" required autofocus aria-describedby="reason-hint"></textarea>
  <p class="hint" id="reason-hint">${hint}</p></div>`;

export const actions = {
  "user.roles": (form) =>
    submit(form, async () => {
      const chosen = [...form.querySelectorAll("[name=role]:checked")].map(({ value }) => value);
      show(await replace(`${view.path}/roles`, { roles: chosen }));
      toast(t("staff.roles_saved"));
    }),
  "user.block": async () => {
    const question = {
      title: t("staff.block_title", { name: view.user.name }),
      text: t("staff.block_text"),
      fields: reasonField(t("staff.reason"), t("staff.reason_read")),
      confirm: t("staff.block"),
      cancel: t("staff.cancel"),
      danger: true,
      testid: "block-form",
    };
    const send = async ({ reason }) => show(await patch(view.path, { active: false, reason: reason.trim() }));
    if (await askForm(question, send)) toast(t("staff.blocked_done"));
  },
  "user.unblock": async () => {
    const { name } = view.user;
    if (!(await ask({ title: t("staff.unblock_title", { name }), text: t("staff.unblock_text"), confirm: t("staff.unblock") }))) return;
    show(await patch(view.path, { active: true }));
    toast(t("staff.unblocked_done"));
  },
  "user.reset_factors": async () => {
    const { name } = view.user;
    const question = { title: t("staff.reset_factors_title", { name }), text: t("staff.reset_factors_text"), confirm: t("staff.reset_factors") };
    if (!(await ask(question))) return;
    await post(`${view.path}/reset-second-factors`);
    show(await get(view.path));
    toast(t("staff.reset_factors_done"));
  },
  "user.look": async () => {
    const { user } = view;
    const question = {
      title: t("staff.view_as_title", { name: user.name }),
      text: t("staff.view_as_text"),
      fields: html`${reasonField(t("staff.reason"), t("staff.view_as_reason"))}
        <label class="check"><input type="checkbox" name="letter" checked><span>${t("staff.view_as_letter")}</span></label>`,
      confirm: t("staff.view_as"),
      cancel: t("staff.cancel"),
      testid: "view-as-form",
    };
    let begin = null;
    const send = async ({ reason, letter }) => {
      begin = await lookAs(user, { reason: reason.trim(), letter: letter === "on" });
    };
    if (await askForm(question, send)) await begin();
  },
};
