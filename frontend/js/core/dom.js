/**
 * The page: markup that escapes what is put into it, rendering that keeps focus and typed text, the parts that
 * pages are made of, and the one event system. Together in one file because every page needs all of it at once.
 */

import { ago, dateTime, known } from "/js/core/i18n.js";

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

class Markup {
  constructor(text) {
    this.text = text;
  }
}

function put(value) {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(put).join("");
  return String(value).replace(/[&<>"']/g, (sign) => ESCAPES[sign]);
}

/** Markup from a template: every value is escaped, other `html` results and arrays of them are kept. */
export const html = (parts, ...values) =>
  new Markup(parts.reduce((text, part, at) => text + put(values[at - 1]) + part));

/** An icon of the sprite in index.html; decorative, so the text beside it must carry the meaning. */
export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href="#i-${name}"/></svg>`;

/** A picture of the sprite: it is there when the page is, without a request of its own. */
export const scene = (name) =>
  html`<svg width="220" height="140" aria-hidden="true"><use href="#i-${name}"/></svg>`;

export const badge = (state) =>
  html`<span class="badge" data-state="${state}">${known(`state.${state}`, state)}</span>`;

/** A moment as relative time; `tickTimes` keeps it true while it is on the screen. */
export const since = (iso) =>
  iso ? html`<time datetime="${iso}" title="${dateTime(iso)}" data-since>${ago(iso)}</time>` : html`—`;

export function tickTimes() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const text = ago(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}

/** Only web addresses may become links: the API's data could carry `javascript:`. */
export const webAddress = (address) => (/^https?:\/\//i.test(address ?? "") ? address : null);

/** Makes the content of `target` equal to `markup`, touching only what differs. */
export function render(target, markup) {
  const wanted = document.createElement("template");
  wanted.innerHTML = put(markup);
  morph(target, wanted.content);
}

const keyOf = (node) => node.dataset?.key;

function morph(parent, wanted) {
  const keyed = new Map([...parent.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    const present = keyOf(next) ? keyed.get(keyOf(next)) : at;
    if (present && present.nodeName === next.nodeName && keyOf(present) === keyOf(next)) {
      if (present === at) at = at.nextSibling;
      else parent.insertBefore(present, at);
      update(present, next);
    } else {
      parent.insertBefore(next, at);
    }
  }
  while (at) {
    const rest = at.nextSibling;
    at.remove();
    at = rest;
  }
}

function update(node, next) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
    return;
  }
  for (const { name, value } of next.attributes) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  for (const { name } of [...node.attributes]) {
    // `open` belongs to the person who unfolded the element.
    if (!next.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  }
  // A live part (a log, a form half filled in) is left to the code that owns it.
  if (!next.hasAttribute("data-keep")) morph(node, next);
}

const actions = new Map();

/** Offers named actions until `signal` aborts. An action gets `(element, event)`. */
export function offer(named, signal) {
  for (const [name, run] of Object.entries(named)) {
    if (actions.has(name)) throw new Error(`action ${name} is offered twice`);
    actions.set(name, run);
  }
  signal?.addEventListener("abort", () => {
    for (const name of Object.keys(named)) actions.delete(name);
  });
}

/** Offers actions whose module is fetched at their first use. */
export const offerLazily = (names, load) =>
  offer(
    Object.fromEntries(
      names.map((name) => [name, async (...given) => (await load()).actions[name](...given)]),
    ),
  );

async function run(element, event, name) {
  const action = actions.get(name);
  if (!action) throw new Error(`unknown action ${name}`);
  await action(element, event);
}

/**
 * Listens on the document. `data-action` means submit on a form, input on a field, click elsewhere;
 * `data-paste` names an action for pasting. A rejected action goes to `failed(error)`.
 */
export function listen(failed) {
  const dispatch = (event, element, name) => {
    if (element) run(element, event, name).catch(failed);
  };
  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-action]:not(form, input, select, textarea)");
    dispatch(event, element, element?.dataset.action);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    dispatch(event, form, form.dataset.action);
  });
  document.addEventListener("input", (event) => {
    const field = event.target.closest("input[data-action], select[data-action], textarea[data-action]");
    dispatch(event, field, field?.dataset.action);
  });
  document.addEventListener("paste", (event) => {
    const field = event.target.closest("[data-paste]");
    dispatch(event, field, field?.dataset.paste);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && actions.has("menu.close")) dispatch(event, document.body, "menu.close");
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = document.querySelector("#content input[type=search]");
    search?.focus();
    if (search) event.preventDefault();
  });
}

/** Runs `job` every `seconds` while the page is looked at, until `signal` aborts; the first run is the caller's. */
export function repeat(job, seconds, signal) {
  const timer = setInterval(() => document.visibilityState === "visible" && job(), seconds * 1000);
  const seen = () => document.visibilityState === "visible" && job();
  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}

const LARGEST_PAGE = 100;
const TYPING_MS = 250;

/**
 * A list that is loaded page by page and kept true while it is looked at.
 * @param load `({size, cursor}) => Promise<{items, next_page}>`
 * @param show `({items, next}) => void`, called after every change
 */
export function pages({ load, show, signal, size = 20, seconds = 5 }) {
  let items = [];
  let next = null;
  let turn = 0;
  const settle = (all, cursor) => {
    items = all;
    next = cursor;
    show({ items, next });
  };
  const reload = async (wanted = size) => {
    const mine = ++turn;
    const page = await load({ size: wanted });
    if (mine === turn) settle(page.items, page.next_page);
  };
  const more = async () => {
    const mine = ++turn;
    const page = await load({ size, cursor: next });
    if (mine === turn) settle([...items, ...page.items], page.next_page);
  };
  const refresh = async () => {
    const mine = ++turn;
    const page = await load({ size: Math.min(Math.max(items.length, size), LARGEST_PAGE) });
    if (mine !== turn) return;
    const rest = items.slice(LARGEST_PAGE);
    settle([...page.items, ...rest], rest.length ? next : page.next_page);
  };
  // A refresh that fails is tried again by the next one; the list on the screen stays.
  repeat(() => refresh().catch(() => {}), seconds, signal);
  return { reload, more, refresh };
}

/** Does what a filter's field asks for: at once, but for what is typed only after a pause, and once. */
export function typing(signal) {
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  return (field, work) => {
    clearTimeout(timer);
    return new Promise((done, failed) => {
      timer = setTimeout(() => work().then(done, failed), field.type === "search" ? TYPING_MS : 0);
    });
  };
}

const fetched = new Map();

function once(key, load) {
  if (!fetched.has(key)) {
    fetched.set(
      key,
      load().catch((error) => {
        fetched.delete(key);
        throw error;
      }),
    );
  }
  return fetched.get(key);
}

/** Markup of a page, fetched once. */
export const partial = (name) =>
  once(`partial ${name}`, async () => {
    const answer = await fetch(`/partials/${name}.html`);
    if (!answer.ok) throw new Error(`partial ${name}: ${answer.status}`);
    return answer.text();
  });

/** Puts a style sheet into the page, once. */
export const style = (name) =>
  once(`style ${name}`, () => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `/style/${name}.css` });
    document.head.append(link);
    return new Promise((loaded, failed) => Object.assign(link, { onload: loaded, onerror: failed }));
  });
