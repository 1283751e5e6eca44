/** A secret that is shown once: it can be copied, and closing takes it from the screen for good. */

import { html, icon } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { copy } from "/js/shared/copy.js";
import { sheet } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";

/** @param {{title: string, secret: string, also?: {label: string, value: string}}} what */
export function showOnce({ title, secret, also }) {
  const dialog = sheet(
    html`<div class="stack"><h2 id="sheet-title">${title}</h2>
      <div class="callout" data-tone="warn"><p>${t("applications.once")}</p></div>
      ${also && html`<div class="field"><span class="label">${also.label}</span><code class="secret">${also.value}</code></div>`}
      <code class="secret" data-testid="secret">${secret}</code>
      <div class="row dialog-buttons">
        <button class="button" type="button" data-copy data-testid="copy-secret">${icon("copy")}${t("applications.copy")}</button>
        <button class="button primary" type="button" data-close autofocus>${t("applications.kept")}</button>
      </div></div>`,
    "once",
  );
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.querySelector("[data-copy]").addEventListener("click", async () => {
    await copy(secret);
    toast(t("applications.copied"));
  });
}
