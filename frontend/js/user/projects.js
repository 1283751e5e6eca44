/** The projects one belongs to. */

import { get, post } from "/js/core/api.js";
import { navigate, refreshAccount } from "/js/core/app.js";
import { html, pages, render, since } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";

const SECONDS = 15;
let view = null;

const row = (project) => html`<li class="grid-row project-row" data-key="${project.id}" data-testid="project">
  <div><a class="row-name" href="/projects/${project.id}">${project.name}</a>
    ${project.personal && html`<span class="hint">${t("people.personal")}</span>`}</div>
  <div><span class="tag" data-state="role">${t(`people.role.${project.role}`)}</span></div>
  <div class="hint">${since(project.created_at)}</div></li>`;

function show({ items, next }) {
  render(
    view.part("list"),
    html`<div class="grid-list"><div class="grid-row grid-head project-row eyebrow" aria-hidden="true"><span>${t("people.project")}</span>
      <span>${t("people.your_role")}</span><span>${t("people.made")}</span></div><ul>${items.map(row)}</ul></div>`,
  );
  view.part("more").hidden = !next;
}

export async function mount(root, { signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part };
  view.list = pages({ load: (page) => get("/projects", page, signal), show, signal, seconds: SECONDS });
  await view.list.reload();
}

const nameField = () => html`<div class="field"><label for="project-name">${t("people.project_name")}</label>
  <input class="input" id="project-name" name="name" maxlength="100" autocomplete="off" required autofocus></div>`;

export const actions = {
  "projects.ask": async () => {
    const question = {
      title: t("people.new_project"),
      text: t("people.new_project_text"),
      fields: nameField(),
      confirm: t("people.make_project"),
      cancel: t("people.cancel"),
      testid: "new-project-form",
    };
    let made = null;
    const sent = await askForm(question, async ({ name }) => {
      made = await post("/projects", { name: name.trim() });
    });
    if (!sent) return;
    await refreshAccount();
    await navigate(`/projects/${made.id}`);
  },
  "projects.more": () => view.list.more(),
};
