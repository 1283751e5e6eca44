/** Everybody who has an account: found by a part of name or address, filtered, sorted. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, since, typing } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";

const SECONDS = 15;
const NEWEST = "-created_at";
let view = null;

/** The shipped roles have names in every language, an installation's own have one. */
export const roleTitle = ({ name, title }) => known(`staff.role_title.${name}`, title);

const titleOf = (name) => roleTitle(view.roles.get(name) ?? { name, title: name });

const row = (user) => html`<li class="grid-row user-row" data-key="${user.id}" data-testid="user">
  <div><a class="row-name" href="/admin/users/${user.id}">${user.name}</a><span class="hint cut">${user.email}</span></div>
  <div>${user.active ? !user.verified && html`<span class="tag" data-state="open">${t("staff.unverified")}</span>` : html`<span class="badge" data-state="failed">${t("staff.blocked")}</span>`}</div>
  <div class="hint">${user.roles.map(titleOf).join(", ") || "—"}</div>
  <div class="hint">${since(user.created_at)}</div></li>`;

const nothing = () =>
  html`<div class="card state"><h2>${t("staff.nobody")}</h2><p>${t("staff.nobody_text")}</p></div>`;

function show({ items, next }) {
  const table = html`<div class="grid-list"><div class="grid-row grid-head user-row eyebrow" aria-hidden="true"><span>${t("staff.who")}</span>
    <span>${t("staff.state")}</span><span>${t("staff.roles")}</span><span>${t("staff.since")}</span></div><ul>${items.map(row)}</ul></div>`;
  render(view.part("list"), items.length ? table : nothing());
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const { q = "", role = "", active = "", verified = "", sort = NEWEST } = query;
  const filters = { q, role, active, verified, sort };
  view = { part, filters, typed: typing(signal), roles: new Map() };
  view.list = pages({ load: (page) => get("/admin/users", { ...view.filters, ...page }, signal), show, signal, seconds: SECONDS });
  const { items } = await get("/admin/roles", {}, signal);
  for (const one of items) view.roles.set(one.name, one);
  root.querySelector("[name=role]").append(...items.map((one) => new Option(roleTitle(one), one.name)));
  for (const [field, value] of Object.entries(filters)) root.querySelector(`[name=${field}]`).value = value;
  await view.list.reload();
}

export const actions = {
  "users.filter": (field) => {
    view.filters[field.name] = field.value.trim();
    return view.typed(field, () => {
      const { sort, ...rest } = view.filters;
      noteInAddress({ ...rest, sort: sort === NEWEST ? "" : sort });
      return view.list.reload();
    });
  },
  "users.more": () => view.list.more(),
};
