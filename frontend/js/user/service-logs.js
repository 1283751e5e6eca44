/** What a service itself writes: the newest page, then live; or what is found in all that is kept. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, icon, render } from "/js/core/dom.js";
import { dateTime, t } from "/js/core/i18n.js";
import { logView } from "/js/shared/log.js";
import { follow } from "/js/shared/stream.js";
import { search } from "/js/user/log-search.js";

const NEWEST = 500;
const TYPING_MS = 400;

/** While one release takes over from another both write, so each line says whose it is. */
function releaseOf({ release, release_started_at: since }) {
  if (!release) return "";
  const time = since ? dateTime(since) : "";
  return t("service.log_release", { release, time }).replace(/ · $/, "");
}

const frame = (text) => html`<div class="log-tools" role="search"><div class="search">${icon("search")}<input class="input" type="search" value="${text}" maxlength="200" autocomplete="off"
      spellcheck="false" aria-label="${t("log.search")}" placeholder="${t("log.search")}" data-testid="log-search"></div>
    <select class="input" aria-label="${t("service.log_unit")}" data-testid="log-unit" hidden></select></div>
  <div data-part="live"></div><div class="stack" data-part="found" hidden></div>`;

export async function open(root, { service, signal }) {
  const path = `/services/${service.id}`;
  render(root, frame(new URLSearchParams(location.search).get("text") ?? ""));
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const [typed, choice] = [root.querySelector("input"), root.querySelector("select")];
  const log = logView(part("live"), t("service.log"), releaseOf);
  const seen = new Set();
  /** A choice of units, as soon as there is more than one. */
  const meet = (lines) => {
    const before = seen.size;
    for (const { unit } of lines) seen.add(unit);
    if (seen.size === before || seen.size < 2) return;
    render(choice, html`<option value="">${t("service.log_all")}</option>${[...seen].sort().map((unit) => html`<option value="${unit}" ${unit === choice.value && html`selected`}>${unit}</option>`)}`);
    choice.hidden = false;
    part("live").classList.add("log-units");
  };

  let searching = new AbortController();
  async function look() {
    const text = typed.value.trim();
    noteInAddress({ text });
    searching.abort();
    searching = new AbortController();
    part("live").hidden = Boolean(text);
    part("found").hidden = !text;
    if (!text) return void log.only(choice.value);
    const stopped = AbortSignal.any([signal, searching.signal]);
    await search(part("found"), { path, text, unit: choice.value, chapter: releaseOf, meet, signal: stopped });
  }
  let timer;
  typed.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, typed.value ? TYPING_MS : 0);
  });
  choice.addEventListener("change", look);
  signal.addEventListener("abort", () => clearTimeout(timer));

  const page = await get(`${path}/log`, { size: NEWEST }, signal);
  meet(page.lines);
  log.append(page.lines);
  if (page.truncated) log.note(t("log.truncated"));
  let after = page.next;
  const stream = () => `${path}/log/stream${after ? `?${new URLSearchParams({ after })}` : ""}`;
  const receive = (event, line) => {
    if (event !== "log" || line.cursor === after) return;
    after = line.cursor;
    meet([line]);
    log.append([line]);
  };
  // Goes on while the tab is open, so the page must not wait for it.
  follow(stream, receive, signal);
  if (typed.value) await look();
}
