/** Questions in a native modal dialog. */

import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

/**
 * Opens a modal dialog of any content; the actions in it are offered by whoever opens it.
 * @returns {HTMLDialogElement} which leaves the page when it is closed.
 */
export function sheet(content, testid) {
  const dialog = Object.assign(document.createElement("dialog"), { className: "dialog" });
  dialog.setAttribute("aria-labelledby", "sheet-title");
  dialog.dataset.testid = testid;
  render(dialog, content);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something that has consequences.
 * @param {{title:string, text:string, details?:object, confirm:string, type?:string, harmless?:boolean}} question
 *   with `type`, the person must type exactly that word before the button works; `details` is markup below the
 *   text; what can be undone is `harmless`, and its button does not warn.
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, details, confirm, type, harmless }) {
  const dialog = Object.assign(document.createElement("dialog"), { className: "dialog" });
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.dataset.testid = "dialog";
  render(
    dialog,
    html`<form class="stack" method="dialog">
      <h2 id="dialog-title">${title}</h2>
      <p>${text}</p>
      ${details}
      ${type &&
      html`<div class="field"><label for="dialog-typed">${t("dialog.type", { word: type })}</label>
        <input class="input mono" id="dialog-typed" autocomplete="off" autocapitalize="off" spellcheck="false" autofocus></div>`}
      <div class="row dialog-buttons">
        <button class="button" type="submit" value="no" formnovalidate>${t("dialog.cancel")}</button>
        <button class="button ${!harmless && "danger"} primary" type="submit" value="yes">${confirm}</button>
      </div></form>`,
  );
  const yes = dialog.querySelector("[value=yes]");
  const typed = dialog.querySelector("input");
  const check = () => (yes.disabled = Boolean(type) && typed.value.trim() !== type);
  typed?.addEventListener("input", check);
  // Enter in the field would press the first button, which is the one that declines.
  typed?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (!yes.disabled) yes.click();
  });
  check();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    });
  });
}
