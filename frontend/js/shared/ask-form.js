/** A question that needs more than yes or no: a form in a dialog, which stays open until it was accepted. */

import { html, offer } from "/js/core/dom.js";
import { sheet } from "/js/shared/dialog.js";
import { complete, submit, values } from "/js/shared/form.js";

/**
 * @param {{title:string, text?:string, fields:object, confirm:string, cancel:string, danger?:boolean, testid:string, check?:function}} question
 *   with `check`, its `(form)` tells fields what HTML cannot know is wrong with them, by `setCustomValidity`
 * @param send `(values) => Promise`; a problem that it throws is said in the form
 * @returns {Promise<boolean>} whether it was sent
 */
export function askForm({ title, text, fields, confirm, cancel, danger, testid, check }, send) {
  const dialog = sheet(
    html`<form class="stack" data-action="sheet.submit" novalidate>
      <h2 id="sheet-title">${title}</h2>
      ${text && html`<p class="muted">${text}</p>`}
      <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
      ${fields}
      <div class="row dialog-buttons">
        <button class="button" type="button" data-action="sheet.leave">${cancel}</button>
        <button class="button primary ${danger ? "danger" : ""}" type="submit">${confirm}</button>
      </div></form>`,
    testid,
  );
  const open = new AbortController();
  let sent = false;
  offer(
    {
      "sheet.submit": (form) => {
        check?.(form);
        if (!complete(form)) return null;
        return submit(form, async () => {
          await send(values(form));
          sent = true;
          dialog.close();
        });
      },
      "sheet.leave": () => dialog.close(),
    },
    open.signal,
  );
  return new Promise((answer) => {
    dialog.addEventListener("close", () => {
      open.abort();
      answer(sent);
    });
  });
}
