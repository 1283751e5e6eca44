/** Short messages at the edge of the screen, spoken by screen readers. */

import { html, icon, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

const STAY_MS = 7_000;

/** @param {"ok"|"bad"|"warn"} tone bad ones stay until they are closed. */
export function toast(message, tone = "ok") {
  const place = document.getElementById("toasts");
  const note = Object.assign(document.createElement("div"), { className: "toast" });
  note.dataset.tone = tone;
  render(
    note,
    html`${icon(tone === "ok" ? "check" : "alert")}<p>${message}</p>
      <button class="icon-button" type="button" aria-label="${t("toast.close")}">${icon("close")}</button>`,
  );
  note.querySelector("button").addEventListener("click", () => note.remove());
  place.append(note);
  if (tone !== "bad") setTimeout(() => note.remove(), STAY_MS);
}
