/** The list of services: one's own, or for administrators everybody's. */

import { chosenProject, get, profile } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { badge, html, icon, pages, render, scene, since, typing, webAddress } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

let view = null;

const commit = (live) =>
  live
    ? html`<span class="cut" title="${live.commit_subject}"><code>${live.commit?.slice(0, 7)}</code> ${live.commit_subject}</span>`
    : html`<span class="muted">${t("services.no_release")}</span>`;

const address = (url) =>
  webAddress(url) &&
  html`<a class="row-link" href="${url}" target="_blank" rel="noopener">${url.replace(/^https?:\/\//, "")}</a>`;

const row = (service) => html`<li class="grid-row" data-key="${service.id}" data-testid="service-${service.name}">
  <div><a class="row-name" href="/services/${service.id}">${service.name}</a>${service.preview && html` <span class="muted">${t("services.preview", service.preview)}</span>`}${service.public && address(service.url)}</div>
  <div>${badge(service.suspended_at ? "suspended" : service.status)}</div>
  <div>${commit(service.live_deployment)}${service.owner_email && html`<span class="hint cut">${service.owner_email}</span>`}</div>
  <div class="hint">${since(service.created_at)}</div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow" aria-hidden="true"><span>${t("services.name")}</span><span>${t("services.status")}</span>
    <span>${t(view.admin ? "services.release_and_owner" : "services.release")}</span><span>${t("services.created")}</span></div>
  <ul>${items.map(row)}</ul></div>`;

const nothing = (filtered) =>
  filtered || view.admin
    ? html`<div class="card state"><h2>${t("services.none_found")}</h2><p>${t("services.none_found_text")}</p></div>`
    : html`<div class="card state">${scene("calm")}<h2>${t("services.empty")}</h2>
        <p>${t("services.empty_text")}</p>
        <a class="button primary" href="/services/new">${icon("plus")}${t("services.first")}</a></div>`;

function show({ items, next }) {
  const filtered = Boolean(view.filters.q || view.filters.status);
  render(view.part("list"), items.length ? table(items) : nothing(filtered));
  view.part("toolbar").hidden = !items.length && !filtered;
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal, admin, name }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const filters = { q: query.q ?? "", status: query.status ?? "", sort: query.sort ?? "-created_at" };
  const path = admin ? "/admin/services" : "/services";
  const narrowed = admin ? {} : { project_id: chosenProject() };
  const load = (page) => get(path, { ...view.filters, ...narrowed, ...page }, signal);
  view = { part, filters, admin, list: null, typed: typing(signal) };
  view.list = pages({ load, show, signal });
  for (const [field, value] of Object.entries(filters)) root.querySelector(`[name=${field}]`).value = value;
  if (admin) {
    part("title").textContent = t("nav.admin_services");
    part("order").hidden = true;
    name(t("nav.admin_services"));
  }
  await view.list.reload();
  // Told only to those whom it concerns: the others fetch nothing for it.
  if (admin || !profile().projects?.some(({ billing_stage: stage = "ok" }) => stage !== "ok")) return;
  const { moneyNotice } = await import("/js/shared/money-notice.js");
  moneyNotice(part("money"), chosenProject(), signal).catch(() => {});
}

export const actions = {
  "services.filter": (field) => {
    view.filters[field.name] = field.value.trim();
    return view.typed(field, () => {
      const { q, status, sort } = view.filters;
      noteInAddress({ q, status, sort: sort === "-created_at" ? "" : sort });
      return view.list.reload();
    });
  },
  "services.more": () => view.list.more(),
};
