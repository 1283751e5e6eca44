/** Global roles: sets of permissions, made and changed by administrators within what they hold. */

import { get, patch, post, profile, remove } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { known, loadTexts, t } from "/js/core/i18n.js";
import { roleTitle } from "/js/admin/users.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { complete, submit } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const holds = (permission) => (profile()?.permissions ?? []).includes(permission);

const areas = () => Map.groupBy(view.permissions, ({ name }) => name.split(":")[0]);

const box = (role, { name, description }) => html`<label class="check"><input type="checkbox" name="permission" value="${name}"
    ${role.permissions.includes(name) && html`checked`} ${(role.fixed || (!holds(name) && !role.permissions.includes(name))) && html`disabled`}>
  <span>${known(`scopes.${name}`, description)}<code class="hint">${name}</code></span></label>`;

const group = (role, area, permissions) => html`<fieldset class="stack tight"><legend class="eyebrow">${known(`staff.area.${area}`, area)}</legend>
  <div class="checks">${permissions.map((permission) => box(role, permission))}</div></fieldset>`;

const buttons = (role) => html`<div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
  ${!role.shipped && html`<button class="button danger" type="button" data-action="roles.delete" data-name="${role.name}">${icon("trash")}${t("staff.delete_role")}</button>`}</div>`;

const titleField = (role) => html`<div class="field narrow"><label for="title-${role.name}">${t("staff.title")}</label>
  <input class="input" id="title-${role.name}" name="title" value="${role.title}" maxlength="100" required></div>`;

const card = (role) => html`<details class="card role-card" data-key="${role.name}" data-testid="role-${role.name}">
  <summary><span class="role-head"><strong>${roleTitle(role)}</strong> <code class="hint">${role.name}</code>
    ${role.shipped && html`<span class="tag" data-state="role">${t("staff.shipped")}</span>`}
    <span class="hint">${t("staff.holders", { count: role.holders })} · ${t("staff.permissions_count", { count: role.permissions.length })}</span></span></summary>
  <form class="stack" data-action="roles.save" data-name="${role.name}" data-key="${role.name} ${role.title} ${role.permissions.join()}" novalidate>
    ${role.fixed && html`<p class="callout">${t("staff.fixed")}</p>`}
    <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
    ${!role.shipped && titleField(role)}
    ${[...areas()].map(([area, permissions]) => group(role, area, permissions))}
    ${!role.fixed && buttons(role)}</form></details>`;

function show() {
  render(view.place, view.roles.map(card));
}

async function reload() {
  view.roles = (await get("/admin/roles", {}, view.signal)).items;
  show();
}

export async function mount(root, { signal }) {
  const place = root.querySelector("[data-part=roles]");
  view = { place, signal, roles: [], permissions: [] };
  // What permissions allow is said where applications ask for them.
  const [permissions] = await Promise.all([get("/admin/permissions", {}, signal), loadTexts("applications")]);
  view.permissions = permissions.items;
  await reload();
}

const newFields = () => html`<div class="field"><label for="role-title">${t("staff.title")}</label>
    <input class="input" id="role-title" name="title" maxlength="100" autocomplete="off" required autofocus></div>
  <div class="field"><label for="role-name">${t("staff.role_name")}</label>
    <input class="input mono" id="role-name" name="name" minlength="2" maxlength="40" pattern="[a-z][a-z0-9_\\-]+" autocomplete="off" autocapitalize="off" spellcheck="false" required aria-describedby="role-name-hint">
    <p class="hint" id="role-name-hint">${t("staff.role_name_hint")}</p></div>`;

const heirs = (role) => html`<div class="field"><label for="reassign">${t("staff.reassign")}</label>
  <select class="input" id="reassign" name="to">${view.roles
    .filter(({ name, givable }) => givable && name !== role.name)
    .map((one) => html`<option value="${one.name}" ${one.name === "user" && html`selected`}>${roleTitle(one)}</option>`)}</select></div>`;

/** Whether the role was deleted: one that people hold is asked about with what they get instead. */
async function deleted(role) {
  const path = `/admin/roles/${role.name}`;
  const title = t("staff.delete_role_title", { name: roleTitle(role) });
  if (!role.holders) {
    const sure = await ask({ title, text: t("staff.delete_role_text"), confirm: t("staff.delete_role") });
    if (sure) await remove(path);
    return sure;
  }
  const question = {
    title,
    text: t("staff.role_held", { count: role.holders }),
    fields: heirs(role),
    confirm: t("staff.delete_role"),
    cancel: t("staff.cancel"),
    danger: true,
    testid: "delete-role-form",
  };
  return askForm(question, ({ to }) => remove(`${path}?reassign_to=${to}`));
}

export const actions = {
  "roles.ask": async () => {
    const question = {
      title: t("staff.new_role"),
      text: t("staff.new_role_text"),
      fields: newFields(),
      confirm: t("staff.make_role"),
      cancel: t("staff.cancel"),
      testid: "new-role-form",
    };
    let made = "";
    const sent = await askForm(question, async ({ name, title }) => {
      made = (await post("/admin/roles", { name: name.trim(), title: title.trim(), permissions: [] })).name;
    });
    if (!sent) return;
    await reload();
    const opened = view.place.querySelector(`[data-testid="role-${made}"]`);
    opened.open = true;
    opened.querySelector("input").focus();
  },
  "roles.save": (form) =>
    complete(form) &&
    submit(form, async () => {
      const permissions = [...form.querySelectorAll("[name=permission]:checked")].map(({ value }) => value);
      const { title } = form.elements;
      await patch(`/admin/roles/${form.dataset.name}`, { permissions, ...(title && { title: title.value.trim() }) });
      toast(t("staff.role_saved"));
      await reload();
    }),
  "roles.delete": async (button) => {
    if (!(await deleted(view.roles.find(({ name }) => name === button.dataset.name)))) return;
    toast(t("staff.role_deleted"));
    await reload();
  },
};
