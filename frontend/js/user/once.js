/** A secret that is shown once: it can be copied, and closing takes it from the screen for good. */

import { html, icon } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { sheet } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";

const shown = ({ label, value }, testid) => html`<div class="field" role="group" aria-labelledby="once-${testid}"><span class="label" id="once-${testid}">${label}</span>
  <div class="once"><code class="secret" data-testid="${testid}">${value}</code>
    <button class="button" type="button" data-copy="${value}" data-testid="copy-${testid}" aria-label="${t("applications.copy_named", { name: label })}">${icon("copy")}${t("applications.copy")}</button></div></div>`;

/** @param {{title: string, secret: {label: string, value: string}, also?: {label: string, value: string}}} what */
export function showOnce({ title, secret, also }) {
  const dialog = sheet(
    html`<div class="stack"><h2 id="sheet-title">${title}</h2>
      <div class="callout" data-tone="warn"><p>${t("applications.once")}</p></div>
      ${also && shown(also, "client-id")}
      ${shown(secret, "secret")}
      <div class="row dialog-buttons">
        <button class="button primary" type="button" data-close autofocus>${t("applications.kept")}</button>
      </div></div>`,
    "once",
  );
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  for (const button of dialog.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      await copy(button.dataset.copy);
      toast(t("applications.copied"));
    });
  }
}
