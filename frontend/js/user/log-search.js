/** Lines of a service's log that have a text, the newest first, further back as the reader asks. */

import { get } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { lineElement, separator } from "/js/shared/log.js";

const ENOUGH = 50;

const frame = html`<div class="log log-units"><div class="log-bar"><strong>${t("log.found")}</strong><span class="log-note hint" role="status" data-part="note" data-testid="log-found"></span></div>
    <div class="log-view wrapped" tabindex="0" role="region" aria-label="${t("log.found")}" data-testid="log-matches"><ol></ol></div></div>
  <p><button class="button" type="button" data-part="older" data-testid="log-older" hidden>${t("log.older")}</button></p>`;

/** Text with each place of `wanted` marked, in whatever case it is written. */
export function marked(text, wanted) {
  const pattern = new RegExp(wanted.normalize().replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
  const parts = new DocumentFragment();
  let end = 0;
  for (const match of text.normalize().matchAll(pattern)) {
    parts.append(text.normalize().slice(end, match.index), Object.assign(document.createElement("mark"), { textContent: match[0] }));
    end = match.index + match[0].length;
  }
  parts.append(text.normalize().slice(end));
  return parts;
}

/**
 * Shows in `root` what is found of a service.
 * @param {(line: object) => string} chapter words for the separator before lines that belong together
 * @param {(lines: object[]) => void} meet is told of the lines
 */
export async function search(root, { path, text, unit, chapter, meet, signal }) {
  render(root, frame);
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const list = root.querySelector("ol");
  let before = null;
  let count = 0;
  let open = "";

  /** One answer looks at a part of the log only, and may find nothing there. */
  async function further() {
    part("older").hidden = true;
    part("note").textContent = t("log.searching");
    const goal = count + ENOUGH;
    do {
      const found = await get(`${path}/log/search`, { text, ...(unit && { unit }), ...(before && { before }) }, signal);
      meet(found.lines);
      for (const line of found.lines) {
        const words = chapter(line);
        if (words !== open) list.append(separator(words));
        open = words;
        const shown = list.appendChild(lineElement(line));
        shown.lastChild.replaceChildren(marked(line.text, text));
      }
      count += found.lines.length;
      before = found.before;
    } while (before && count < goal);
    part("note").textContent = count ? t("log.matches", { count }) : t("log.nothing");
    part("older").hidden = !before;
  }
  const look = () =>
    further().catch((error) => {
      if (error.name === "AbortError") return;
      part("note").textContent = error.message;
      part("older").hidden = false;
    });
  part("older").addEventListener("click", look);
  await look();
}
