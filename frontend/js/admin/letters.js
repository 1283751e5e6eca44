/** Letters and text messages: to whom, which, and how it went. */

import { get, post } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, pages, render, since, typing } from "/js/core/dom.js";
import { dateTime, known, t } from "/js/core/i18n.js";
import { toast } from "/js/shared/toast.js";

const SECONDS = 5;
const TONES = { queued: "queued", sending: "active", held: "pending", sent: "succeeded", failed: "failed" };
let view = null;

const badge = (state) => html`<span class="badge" data-state="${TONES[state]}">${t(`letters.state.${state}`)}</span>`;

const waiting = (letter) => letter.state === "queued" && letter.attempts > 0;

/** What there is to say about it: the subject once it was sent, else what is in the way. */
function story(letter) {
  if (letter.state === "sent") return html`<span class="reason">${letter.subject}</span>`;
  if (letter.state === "held") return html`<span class="hint">${t(`letters.held.${letter.channel}`)}</span>`;
  if (!letter.error_code) return "";
  return html`<span class="reason">${known(`letters.error.${letter.error_code}`, letter.error_code)}</span>
    ${letter.error && html`<span class="hint reason mono" title="${letter.error}">${letter.error}</span>`}
    ${waiting(letter) && html`<span class="hint">${t("letters.again_at", { at: dateTime(letter.due_at) })}</span>`}`;
}

const retryButton = (letter) =>
  letter.retryable &&
  html`<div><button class="button small" type="button" data-action="letters.retry" data-letter="${letter.id}">${icon("again")}${t("letters.retry")}</button></div>`;

const row = (letter) => html`<li class="grid-row" data-key="${letter.id}" data-testid="letter-row" data-letter-state="${letter.state}">
  <div><strong class="cut" title="${letter.recipient}">${letter.recipient}</strong>
    <span class="hint">${t(`letters.channel.${letter.channel}`)} · <a href="/admin/letters/templates?template=${letter.template}&locale=${letter.locale}">${known(`letters.name.${letter.template}`, letter.template)}</a></span></div>
  <div>${badge(letter.state)}</div>
  <div class="stack tight">${story(letter)}${retryButton(letter)}</div>
  <div class="hint">${since(letter.created_at)}${letter.attempts > 1 && html`<br>${t("letters.attempts", { count: letter.attempts })}`}</div></li>`;

const table = (items) => html`<div class="grid-list">
  <div class="grid-row grid-head eyebrow" aria-hidden="true"><span>${t("letters.to")}</span><span>${t("letters.state")}</span>
    <span>${t("letters.story")}</span><span>${t("letters.when")}</span></div><ul>${items.map(row)}</ul></div>`;

const nothing = (filtered) =>
  html`<div class="card state"><h2>${t(filtered ? "letters.none_found" : "letters.empty")}</h2>
    <p>${t(filtered ? "letters.none_found_text" : "letters.empty_text")}</p></div>`;

function show({ items, next }) {
  render(view.part("list"), items.length ? table(items) : nothing(Object.values(view.filters).some(Boolean)));
  view.part("more").hidden = !next;
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const fields = ["recipient", "state", "channel", "template"];
  const filters = Object.fromEntries(fields.map((field) => [field, query[field] ?? ""]));
  view = { part, filters, typed: typing(signal) };
  const load = (page) => get("/admin/letters", { ...view.filters, ...page }, signal);
  view.list = pages({ load, show, signal, seconds: SECONDS });
  const [templates] = await Promise.all([get("/admin/letter-templates", {}, signal), view.list.reload()]);
  root.querySelector("[name=template]").append(...templates.items.map(({ name }) => new Option(known(`letters.name.${name}`, name), name)));
  for (const field of fields) root.querySelector(`[name=${field}]`).value = filters[field];
}

export const actions = {
  "letters.filter": (field) => {
    view.filters[field.name] = field.value.trim();
    return view.typed(field, () => {
      noteInAddress(view.filters);
      return view.list.reload();
    });
  },
  "letters.more": () => view.list.more(),
  "letters.retry": async ({ dataset }) => {
    await post(`/admin/letters/${dataset.letter}/retry`);
    toast(t("letters.retried"));
    await view.list.refresh();
  },
  "letters.test": async () => {
    const { recipient } = await post("/admin/letters/test");
    toast(t("letters.test_written", { recipient }));
    await view.list.refresh();
  },
};
