/** One event of the audit trail: its row, and what unfolds below it. */

import { html, since } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";
import { money } from "/js/shared/money.js";

const PAGES = { service: "services", job: "jobs" };

export const actionName = (action) => known(`audit.action.${action}`, action);
export const objectName = (type) => known(`audit.object.${type}`, type);

export function person({ name, email, deleted }) {
  return deleted ? t("audit.deleted") : name || email;
}

// Whoever was refused at the door did not prove to be the account's owner.
const unproved = ({ action, result }) => result === "refused" && action.startsWith("session.");

function doer(event) {
  const { user, acting, action } = event;
  if (unproved(event)) return t("audit.stranger");
  if (acting) return t("audit.as", { acting: person(acting), user: user ? person(user) : "" });
  if (user) return person(user);
  if (event.client) return known(`audit.by.${event.client.id}`, event.client.name || event.client.id);
  return t(action.startsWith("session.") ? "audit.stranger" : "audit.system");
}

// The name of an object may be a word of ours: a job is called by its kind.
const called = ({ type, name }) => (type === "job" ? known(`kind.${name}`, name) : name);

const result = (event) =>
  event.result === "done"
    ? html`<span class="hint">${t("audit.result.done")}</span>`
    : html`<span class="badge" data-state="failed">${known(`audit.result.${event.result}`, event.result)}</span>`;

export const eventRow = (event) => html`<li data-key="${event.id}" data-testid="audit-event" data-audit="${event.action}">
  <details><summary class="grid-row audit-row">
    <span><strong>${actionName(event.action)}</strong>
      <span class="hint cut">${(!unproved(event) && event.object && called(event.object)) || event.address || ""}</span></span>
    <span>${result(event)}</span>
    <span class="cut">${doer(event)}</span>
    <span class="hint">${since(event.created_at)}</span></summary>
    <div class="audit-details stack">${details(event)}</div></details></li>`;

const fact = (label, value) => value && html`<div><dt>${label}</dt><dd>${value}</dd></div>`;

/** A value of the event, and a button that leaves only events with the same. */
const narrowing = (name, value, shown, { also = "" } = {}) => html`<span class="row"><span>${shown}${also}</span>
  <button class="button quiet small" type="button" data-action="audit.narrow" data-name="${name}" data-value="${value}"
    data-shown="${shown}" aria-label="${t("audit.only_named", { name: shown })}">${t("audit.only")}</button></span>`;

const someone = (name, who) =>
  who && narrowing(name, who.id, person(who), { also: who.email && who.email !== person(who) ? html` <span class="hint">${who.email}</span>` : "" });

function thing({ type, id, name }) {
  const page = PAGES[type] && id;
  const shown = called({ type, name }) || id;
  return html`${objectName(type)}: ${page ? html`<a href="/${PAGES[type]}/${id}">${shown}</a>` : shown}
    ${id && html`<button class="button quiet small" type="button" data-action="audit.narrow" data-name="object_id" data-value="${id}"
      data-shown="${shown}" aria-label="${t("audit.only_named", { name: shown })}">${t("audit.only")}</button>`}`;
}

const details = (event) => html`${changes(event)}
  <dl class="facts">
    ${fact(t("audit.when"), dateTime(event.created_at))}
    ${fact(t("audit.who"), (!unproved(event) && someone("user_id", event.user)) || doer(event))}
    ${fact(t("audit.acting"), event.acting && (event.acting.email ? someone("acting_id", event.acting) : person(event.acting)))}
    ${fact(t("audit.client"), event.client && event.user && (event.client.name || event.client.id))}
    ${fact(t("audit.address"), event.address && narrowing("address", event.address, event.address))}
    ${fact(t("audit.user_agent"), event.user_agent)}
    ${fact(t("audit.project"), event.project && narrowing("project_id", event.project.id, event.project.name || t("audit.deleted_project")))}
    ${fact(t("audit.subject"), event.object && html`<span class="row">${thing(event.object)}</span>`)}
    ${fact(t("audit.request"), event.request_id && html`<code>${event.request_id}</code>`)}
  </dl>`;

function flat(values, prefix = "") {
  return Object.entries(values ?? {}).flatMap(([name, value]) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? flat(value, `${prefix}${name}.`)
      : [[prefix + name, value]],
  );
}

// Why somebody was not let in, or why a session ended, is a code of ours; other reasons are people's own words.
const coded = (name, { action }) => name === "reason" && action.startsWith("session.");

function shown(value, name, values, event) {
  if (coded(name, event)) return known(`audit.reason.${value}`, value);
  if (name === "price_minor" && values.has("currency")) return money(value, values.get("currency"));
  if (value === null || value === undefined || value === "") return "—";
  if (typeof value === "boolean") return t(value ? "audit.yes" : "audit.no");
  if (Array.isArray(value)) return value.map((item) => (typeof item === "object" ? JSON.stringify(item) : item)).join(", ") || "—";
  return String(value);
}

/** What changed, field by field: as it was, struck through, and as it is since. */
function changes(event) {
  const { before, after } = event;
  const was = new Map(flat(before));
  const is = new Map(flat(after));
  const names = [...new Set([...was.keys(), ...is.keys()])];
  const value = (values, name) => shown(values.get(name), name, values, event);
  const line = (name) => html`<div><dt>${known(`audit.field.${name}`, name)}</dt>
    <dd>${was.has(name) && html`<del><span class="unseen">${t("audit.was")} </span>${value(was, name)}</del>`}
      ${was.has(name) && is.has(name) && html`<span aria-hidden="true"> → </span>`}
      ${is.has(name) && (was.size ? html`<ins><span class="unseen">${t("audit.is")} </span>${value(is, name)}</ins>` : value(is, name))}</dd></div>`;
  return names.length > 0 && html`<dl class="facts changes" data-testid="changes">${names.map(line)}</dl>`;
}
