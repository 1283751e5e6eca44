/** What was done: by oneself and in one's projects, or for administrators everywhere. */

import { chosenProject, get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, pages, render, scene } from "/js/core/dom.js";
import { keysOf, t } from "/js/core/i18n.js";
import { accountTabs } from "/js/shared/account-tabs.js";
import { actionName, eventRow, objectName, person } from "/js/shared/audit-event.js";
import { download } from "/js/shared/download.js";

const SECONDS = 15;
const ACTION = "audit.action.";
// What the system and administrators do, and no customer.
const OPERATORS = ["audit", "catalogue", "letter", "role", "signing_key"];
const FIELDS = ["action", "result", "since", "until"];
const NARROWED = ["project_id", "user_id", "acting_id", "address", "object_type", "object_id"];
let view = null;

const names = { project_id: "audit.project", user_id: "audit.who", acting_id: "audit.acting", address: "audit.address", object_type: "audit.subject", object_id: "audit.subject" };

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head audit-row eyebrow" aria-hidden="true"><span>${t("audit.what")}</span><span>${t("audit.result")}</span>
    <span>${t("audit.who")}</span><span>${t("audit.when")}</span></div><ul class="audit-list">${items.map(eventRow)}</ul></div>`;

const nothing = (filtered) => html`<div class="card state">${!filtered && scene("calm")}
  <h2>${t(filtered ? "audit.none_found" : "audit.empty")}</h2><p>${t(filtered ? "audit.none_found_text" : "audit.empty_text")}</p></div>`;

const chip = (name) => html`<button class="button small" type="button" data-action="audit.widen" data-name="${name}"
  aria-label="${t("audit.widen", { name: view.shown[name] })}">${t(names[name])}: ${view.shown[name]} ${icon("close")}</button>`;

function show({ items, next }) {
  const narrowed = NARROWED.filter((name) => view.filters[name]);
  const first = items[0];
  // Whoever comes from elsewhere brings an id alone.
  if (narrowed.includes("user_id") && first) view.shown.user_id = person(first.user);
  if (narrowed.includes("project_id") && first?.project?.name) view.shown.project_id = first.project.name;
  render(view.part("chips"), narrowed.map(chip));
  view.part("chips").hidden = !narrowed.length;
  render(view.part("list"), items.length ? table(items) : nothing(Object.values(asked()).some(Boolean)));
  view.part("more").hidden = !next;
}

/** The filters as the API asks for them, in the chosen project: days become moments of this person's clock. */
function asked() {
  const { since, until, project_id: project, ...rest } = view.filters;
  const start = (day, days) => {
    const at = new Date(`${day}T00:00`);
    at.setDate(at.getDate() + days);
    return at.toISOString();
  };
  return { ...rest, project_id: project || view.project, since: since && start(since, 0), until: until && start(until, 1) };
}

function fillChoices(root, admin) {
  const actions = keysOf(ACTION).map((key) => key.slice(ACTION.length));
  const groups = Map.groupBy(actions, (action) => action.split(".")[0]);
  for (const [type, members] of groups) {
    if (!admin && OPERATORS.includes(type)) continue;
    const group = Object.assign(document.createElement("optgroup"), { label: objectName(type) });
    group.append(...members.map((action) => new Option(actionName(action), action)));
    root.querySelector("[name=action]").append(group);
  }
}

function changed() {
  noteInAddress(view.filters);
  return view.list.reload();
}

export async function mount(root, { query, signal, admin, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const filters = Object.fromEntries([...FIELDS, ...NARROWED].map((field) => [field, query[field] ?? ""]));
  const path = admin ? "/admin/audit" : "/audit";
  const project = admin ? "" : chosenProject();
  // What is chosen for the whole panel holds, not what an address remembers of before.
  if (project) filters.project_id = "";
  view = { part, filters, path, project, shown: {} };
  for (const field of NARROWED) view.shown[field] = filters[field].slice(0, 40);
  const load = (page) => get(path, { ...asked(), ...page }, signal);
  view.list = pages({ load, show, signal, seconds: SECONDS });
  fillChoices(root, admin);
  for (const field of FIELDS) root.querySelector(`[name=${field}]`).value = filters[field];
  if (admin) {
    part("title").textContent = t("nav.admin_audit");
    part("intro").textContent = t("audit.intro_admin");
    part("account-tabs").hidden = true;
    name(t("nav.admin_audit"));
  } else accountTabs(root);
  await view.list.reload();
}

export const actions = {
  "audit.filter": (field) => {
    // A date that is still being typed has a year of long ago.
    if (!field.validity.valid) return Promise.resolve();
    view.filters[field.name] = field.value;
    return changed();
  },
  "audit.narrow": ({ dataset }) => {
    view.filters[dataset.name] = dataset.value;
    view.shown[dataset.name] = dataset.shown;
    scrollTo(0, 0);
    return changed();
  },
  "audit.widen": ({ dataset }) => {
    view.filters[dataset.name] = "";
    return changed();
  },
  "audit.more": () => view.list.more(),
  "audit.export": async (button) => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await download(`${view.path}.csv`, asked(), `audit-${new Date().toISOString().slice(0, 10)}.csv`);
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
};
