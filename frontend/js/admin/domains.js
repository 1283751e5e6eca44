/** All domains of the installation, and all certificates that were ever asked for. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, since, typing } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";
import { TONES } from "/js/user/domain-card.js";

const SECONDS = 10;
const STATES = {
  domains: ["pending", "verified", "secured", "failing"],
  certificates: ["ordered", "active", "replaced", "revoking", "revoked", "failed"],
};
const CERTIFICATE_TONES = { ordered: "active", active: "succeeded", replaced: "superseded", revoking: "pending", revoked: "superseded", failed: "failed" };
let view = null;

const domainRow = (domain) => html`<li class="grid-row domain-row" data-key="${domain.id}" data-testid="domain-row" data-domain-state="${domain.state}">
  <div><a class="row-name cut" href="/services/${domain.service.id}/domains" title="${domain.name}">${domain.display_name}</a>
    <span class="hint cut">${domain.project_name} · ${domain.service.name}</span></div>
  <div><span class="badge" data-state="${TONES[domain.state]}">${t(`domains.state.${domain.state}`)}</span></div>
  <div>${domain.certificate && html`<span class="hint">${t("domains.good_until", { at: dateTime(domain.certificate.not_after) })}</span>`}
    ${domain.problem && html`<span class="hint reason">${known(`why.${domain.problem.code}`, domain.problem.code)}</span>`}</div>
  <div class="hint">${since(domain.created_at)}</div></li>`;

const certificateRow = (certificate) => html`<li class="grid-row domain-row" data-key="${certificate.id}" data-testid="certificate-row">
  <div><strong class="cut" title="${certificate.name}">${certificate.name}</strong>
    ${certificate.serial && html`<code class="hint cut" title="${t("domains.serial")}">${certificate.serial}</code>`}</div>
  <div><span class="badge" data-state="${CERTIFICATE_TONES[certificate.state]}">${t(`domains.certificate.${certificate.state}`)}</span></div>
  <div class="hint">${certificate.not_after && html`${dateTime(certificate.not_before)} – ${dateTime(certificate.not_after)}<br>${certificate.issuer}`}</div>
  <div class="hint">${since(certificate.created_at)}</div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow domain-row" aria-hidden="true"><span>${t("domains.domain")}</span><span>${t("domains.state")}</span>
    <span>${t(view.list === "domains" ? "domains.until" : "domains.valid")}</span><span>${t("domains.when")}</span></div>
  <ul>${items.map(view.list === "domains" ? domainRow : certificateRow)}</ul></div>`;

const nothing = () => html`<div class="card state"><h2>${t("domains.none_found")}</h2><p>${t("domains.none_found_text")}</p></div>`;

function show({ items, next }) {
  render(view.part("list"), items.length ? table(items) : nothing());
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const list = query.list === "certificates" ? "certificates" : "domains";
  view = { part, list, filters: { q: query.q ?? "", state: query.state ?? "" }, typed: typing(signal) };
  for (const link of part("tabs").children) {
    if (link.dataset.list === list) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const state = root.querySelector("[name=state]");
  state.append(...STATES[list].map((one) => new Option(list === "domains" ? t(`domains.state.${one}`) : t(`domains.certificate.${one}`), one)));
  for (const [field, value] of Object.entries(view.filters)) root.querySelector(`[name=${field}]`).value = value;
  view.pages = pages({ load: (page) => get(`/admin/${list}`, { ...view.filters, ...page }, signal), show, signal, seconds: SECONDS });
  await view.pages.reload();
}

export const actions = {
  "domains.filter": (field) => {
    view.filters[field.name] = field.value.trim();
    return view.typed(field, () => {
      noteInAddress(view.filters);
      return view.pages.reload();
    });
  },
  "domains.more_rows": () => view.pages.more(),
};
