/** A project: who belongs to it, who is invited, and what may be done with it as a whole. */

import { get, patch, post, profile, remove } from "/js/core/api.js";
import { navigate, refreshAccount, showAnew } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { askForm } from "/js/shared/ask-form.js";
import { complete, submit, values } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { members, actions as peopleActions, roleName, showPeople } from "/js/user/project-people.js";

let view = null;

const renaming = (project) => html`<form class="card stack narrow" data-action="project.rename" data-testid="project-settings" novalidate>
  <h2>${t("people.settings")}</h2>
  <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
  <div class="field"><label for="project-name">${t("people.project_name")}</label>
    <input class="input" id="project-name" name="name" value="${project.name}" maxlength="100" autocomplete="off" required data-keep></div>
  <div><button class="button primary" type="submit">${t("form.save")}</button></div></form>`;

const act = (name, text, label, possible = true) => html`<div class="danger-row"><p>${text}</p>
  <button class="button danger" type="button" data-action="project.${name}" data-testid="project-${name}" ${!possible && html`disabled`}>${label}</button></div>`;

function danger({ role, personal }, last) {
  if (personal && role === "owner") return html`<p class="muted">${t("people.personal_stays")}</p>`;
  const owner = role === "owner";
  const others = members().length > 1;
  return html`<section class="card stack danger-zone"><h2>${t("people.danger")}</h2>
    ${owner && act("transfer", t(others ? "people.transfer_text" : "people.transfer_nobody"), t("people.transfer"), others)}
    ${act("leave", t(last ? (others ? "people.leave_last" : "people.leave_alone") : "people.leave_text"), t("people.leave"), !last)}
    ${owner && act("delete", t("people.delete_text"), t("people.delete"))}</section>`;
}

/** The members on display may be one page of many, so whether there is another owner is asked for. */
async function isLastOwner() {
  if (view.project.role !== "owner") return false;
  const { items } = await get(`${view.path}/members`, { role: "owner", size: 2 }, view.signal);
  return items.length < 2;
}

async function showSettings() {
  const last = await isLastOwner();
  const { project } = view;
  render(view.part("settings"), [project.role === "owner" && renaming(project), danger(project, last)]);
}

function showHead() {
  const { project } = view;
  view.part("title").textContent = project.name;
  render(view.part("role"), html`<span class="tag" data-state="role">${roleName(project.role)}</span>`);
  view.name(project.name);
}

export async function mount(root, { params, signal, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const project = await get(`/projects/${params.id}`, {}, signal);
  view = { part, name, project, signal, path: `/projects/${params.id}`, settings: null };
  showHead();
  const changed = () => {
    view.settings = showSettings().catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  };
  await showPeople(part, project, signal, changed);
  await view.settings;
}

const heirs = () => {
  const others = members().filter(({ user_id: id }) => id !== profile()?.id);
  return html`<div class="field"><label for="heir">${t("people.new_owner")}</label>
    <select class="input" id="heir" name="user_id" required>${others.map(
      ({ user_id: id, name, email }) => html`<option value="${id}">${name} · ${email}</option>`,
    )}</select></div>`;
};

async function gone(message) {
  await refreshAccount();
  toast(message);
  await navigate("/projects", { replace: true });
}

export const actions = {
  ...peopleActions,
  "project.rename": (form) =>
    complete(form) &&
    submit(form, async () => {
      view.project = await patch(view.path, { name: values(form).name.trim() });
      showHead();
      await refreshAccount();
      toast(t("people.saved"));
    }),
  "project.transfer": async () => {
    const question = {
      title: t("people.transfer_title", { name: view.project.name }),
      text: t("people.transfer_more"),
      fields: heirs(),
      confirm: t("people.transfer"),
      cancel: t("people.cancel"),
      danger: true,
      testid: "transfer-form",
    };
    if (!(await askForm(question, ({ user_id: user }) => post(`${view.path}/transfer`, { user_id: user })))) return;
    await refreshAccount();
    toast(t("people.transferred"));
    await showAnew();
  },
  "project.leave": async () => {
    const { name } = view.project;
    const question = { title: t("people.leave_title", { name }), text: t("people.leave_more"), confirm: t("people.leave") };
    if (!(await ask(question))) return;
    await post(`${view.path}/leave`);
    await gone(t("people.left", { name }));
  },
  "project.delete": async () => {
    const { name } = view.project;
    const question = { title: t("people.delete_title", { name }), text: t("people.delete_more"), confirm: t("people.delete"), type: name };
    if (!(await ask(question))) return;
    await remove(view.path);
    await gone(t("people.deleted", { name }));
  },
};
