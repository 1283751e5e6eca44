/** All backups of the installation: where they go, what there is, and what came to nothing. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, since, typing } from "/js/core/dom.js";
import { bytes, dateTime, known, number, t } from "/js/core/i18n.js";
import { sizes, STATES, stateBadge, why } from "/js/shared/backup-state.js";

const SECONDS = 10;
let view = null;

const line = (name, content) => content && html`<div><dt>${t(`backups.fact.${name}`)}</dt><dd>${content}</dd></div>`;

const warning = (words) => html`<div class="callout" data-tone="warn" role="status"><p>${words}</p></div>`;

const COUNTS = { verified: ["verified", "succeeded"], untested: ["stored", "queued"], damaged: ["unverifiable", "failed"], failed: ["failed", "failed"] };

const counted = (found) =>
  Object.entries(COUNTS).map(
    ([name, [state, tone]]) => found[name] > 0 && html`<a class="tag" data-state="${tone}" href="/admin/backups?state=${state}">${number(found[name])} ${t(`backups.count.${name}`)}</a>`,
  );

const numbers = (found) => html`<section class="card stack"><h2 class="eyebrow">${t("backups.kept")}</h2><strong class="figure">${number(found.kept)}</strong>
  <p class="row">${counted(found)}</p>
  <dl class="facts">${line("space", bytes(found.stored_bytes))}
    ${line("free", found.free_bytes !== null && bytes(found.free_bytes))}
    ${line("outlived", html`${bytes(found.outlived_bytes)} <span class="hint">${t("backups.outlived_text", { count: found.kept_after_deletion_days })}</span>`)}
    ${line("verified", found.last_verified_at && html`${dateTime(found.last_verified_at)} <span class="hint">${since(found.last_verified_at)}</span>`)}
    ${line("failed", found.last_failed_at && html`${dateTime(found.last_failed_at)} <span class="hint">${since(found.last_failed_at)}</span>`)}</dl></section>`;

const settings = (found) => html`<section class="card stack"><h2>${t("backups.settings")}</h2>
  <dl class="facts">${line("where", html`${t(`backups.to_${found.target}`)}<br><code>${found.place}</code>`)}
    ${line("key", t("backups.key_text"))}
    ${line("second_key", t(found.second_key ? "backups.second_key" : "backups.no_second_key"))}
    ${line("test", t("backups.test_text"))}</dl></section>`;

const overview = (found) => html`${!found.target && warning(t("backups.no_target"))}
  ${found.problem && warning(known(`backups.why.${found.problem}`, found.problem))}
  ${found.failing_services > 0 && warning(t("backups.failing", { count: found.failing_services }))}
  <div class="pair">${numbers(found)}${found.target && settings(found)}</div>`;

const title = ({ service }) =>
  service.deleted
    ? html`<strong class="cut">${service.name}</strong> <span class="tag" data-state="cancelled">${t("backups.deleted")}</span>`
    : html`<a class="row-name cut" href="/services/${service.id}">${service.name}</a>`;

const row = (backup) => html`<li class="grid-row domain-row" data-key="${backup.id}" data-testid="backup-row" data-backup-state="${backup.state}">
  <div>${title(backup)}<span class="hint cut">${backup.project_name} · ${backup.volume_name} · ${t(`backups.by_${backup.trigger}`)}</span></div>
  <div>${stateBadge(backup.state)}</div>
  <div class="stack tight">${why(backup) && html`<span class="reason">${why(backup)}</span>`}
    <span class="hint">${sizes(backup)}</span>
    ${backup.verified_at && html`<span class="hint">${t("backups.verified_at", { at: dateTime(backup.verified_at) })}</span>`}
    ${backup.expires_at && html`<span class="hint">${t("backups.expires", { at: dateTime(backup.expires_at) })}</span>`}</div>
  <div class="hint">${since(backup.created_at)}</div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow domain-row" aria-hidden="true"><span>${t("backups.column_service")}</span><span>${t("backups.column_state")}</span>
    <span>${t("backups.column_story")}</span><span>${t("backups.column_when")}</span></div>
  <ul>${items.map(row)}</ul></div>`;

const nothing = (filtered) => html`<div class="card state"><h2>${t(filtered ? "backups.none_found" : "backups.none")}</h2>
  <p>${t(filtered ? "backups.none_found_text" : "backups.none_of_anyone")}</p></div>`;

function show({ items, next }) {
  render(view.part("list"), items.length ? table(items) : nothing(Object.values(view.filters).some(Boolean)));
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal }) {
  view = { part: (which) => root.querySelector(`[data-part=${which}]`), filters: { q: query.q ?? "", state: query.state ?? "" }, typed: typing(signal) };
  root.querySelector("[name=state]").append(...STATES.map((state) => new Option(t(`backups.state.${state}`), state)));
  for (const [field, value] of Object.entries(view.filters)) root.querySelector(`[name=${field}]`).value = value;
  view.pages = pages({ load: (page) => get("/admin/backups", { ...view.filters, ...page }, signal), show, signal, seconds: SECONDS });
  const about = get("/admin/backups/overview", {}, signal).then((found) => render(view.part("overview"), overview(found)));
  await Promise.all([about, view.pages.reload()]);
}

export const actions = {
  "backups.filter": (field) => {
    view.filters[field.name] = field.value.trim();
    return view.typed(field, () => {
      noteInAddress(view.filters);
      return view.pages.reload();
    });
  },
  "backups.more_rows": () => view.pages.more(),
};
