/** A log on the screen: follows its end until the reader scrolls up, wraps, copies. */

import { html, icon, render } from "/js/core/dom.js";
import { clock, t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";

const MOST_LINES = 5_000;
const NEAR_PX = 24;
// eslint-disable-next-line no-control-regex -- terminals' colours mean nothing here
const COLOURS = /\u001b\[[0-9;]*[A-Za-z]/g;
const TROUBLE = /\b(error|fatal|exception|traceback|panic)\b/i;

const frame = (label) => html`<div class="log-bar">
    <strong>${label}</strong><span class="log-note hint" data-testid="log-note"></span>
    <button class="log-button" type="button" data-log="follow" aria-pressed="true">${icon("down")}<span>${t("log.follow")}</span></button>
    <button class="log-button" type="button" data-log="wrap" aria-pressed="true">${icon("wrap")}<span>${t("log.wrap")}</span></button>
    <button class="log-button" type="button" data-log="copy">${icon("copy")}<span>${t("log.copy")}</span></button>
  </div>
  <div class="log-view wrapped" tabindex="0" role="log" aria-live="off" aria-label="${label}" data-testid="log"><ol></ol>
    <p class="log-empty">${t("log.empty")}</p></div>
  <button class="log-latest" type="button" data-log="latest" hidden>${icon("down")}${t("log.latest")}</button>`;

/** One line of a log, its words last. */
export function lineElement({ at, text, unit }) {
  const line = document.createElement("li");
  if (unit) {
    line.dataset.unit = unit;
    line.append(Object.assign(document.createElement("b"), { className: "log-unit", textContent: unit }));
  }
  if (at) {
    const time = Object.assign(document.createElement("time"), { dateTime: at, textContent: clock(at) });
    line.append(time);
  }
  const clean = text.replace(COLOURS, "");
  const words = Object.assign(document.createElement("span"), { textContent: clean || " " });
  if (TROUBLE.test(clean)) words.className = "trouble";
  line.append(words);
  return line;
}

export function separator(words) {
  const line = Object.assign(document.createElement("li"), { className: "log-break", textContent: words });
  line.setAttribute("role", "separator");
  line.setAttribute("aria-label", words);
  return line;
}

/**
 * @param {HTMLElement} root
 * @param {(line: object) => string} chapter words for the separator before lines that belong together
 * @returns {{append: (lines: {at?: string, text: string, unit?: string}[]) => void, note: (text: string) => void,
 *   only: (unit: string) => void}} `only` shows the lines of one unit, without a name those of all
 */
export function logView(root, label, chapter = () => "") {
  root.classList.add("log");
  render(root, frame(label));
  const view = root.querySelector(".log-view");
  const list = view.querySelector("ol");
  const part = (name) => root.querySelector(`[data-log=${name}]`);
  let following = true;
  let waiting = [];
  let open = "";
  let shown = "";

  const setFollowing = (next) => {
    following = next;
    part("follow").setAttribute("aria-pressed", String(next));
    part("latest").hidden = next;
    if (next) view.scrollTop = view.scrollHeight;
  };
  const flush = () => {
    const lines = waiting;
    waiting = [];
    root.querySelector(".log-empty").hidden = true;
    for (const line of lines.slice(-MOST_LINES)) {
      const words = chapter(line);
      if (words !== open) list.append(separator(words));
      open = words;
      list.append(lineElement(line));
      list.lastChild.hidden = Boolean(shown) && line.unit !== shown;
    }
    // Trimming above the reader would move the text under their eyes.
    if (following) {
      while (list.childElementCount > MOST_LINES) list.firstChild.remove();
      view.scrollTop = view.scrollHeight;
    }
  };
  view.addEventListener("scroll", () => {
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_PX;
    if (atEnd !== following) setFollowing(atEnd);
  });
  root.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-log]");
    if (!button) return;
    const what = button.dataset.log;
    if (what === "follow") setFollowing(!following);
    if (what === "latest") setFollowing(true);
    if (what === "wrap") {
      const wrapped = view.classList.toggle("wrapped");
      button.setAttribute("aria-pressed", String(wrapped));
    }
    if (what === "copy") {
      await copy([...list.children].map((line) => line.lastChild.textContent).join("\n"));
      root.querySelector(".log-note").textContent = t("log.copied");
    }
  });
  return {
    append(lines) {
      if (!lines.length) return;
      if (!waiting.length) requestAnimationFrame(flush);
      waiting.push(...lines);
    },
    only(unit) {
      shown = unit;
      for (const line of list.children) line.hidden = Boolean(unit && line.dataset.unit) && line.dataset.unit !== unit;
      if (following) view.scrollTop = view.scrollHeight;
    },
    note(text) {
      root.querySelector(".log-note").textContent = text;
    },
  };
}
