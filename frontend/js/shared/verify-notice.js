/** The line above every page while the account's address has to be confirmed. */

import { post } from "/js/core/api.js";
import { html, offer, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { toast } from "/js/shared/toast.js";

export async function showNotice(place, email) {
  await loadTexts("account");
  render(
    place,
    html`<div class="callout notice" data-tone="warn" data-testid="verify-notice"><p>${t("verify.text", { email })}</p>
      <div class="row"><a href="/profile">${t("verify.code")}</a>
        <button class="button" type="button" data-action="verify.send">${t("contacts.send_again")}</button></div></div>`,
  );
}

offer({
  "verify.send": async () => {
    await post("/me/email/verification");
    toast(t("contacts.sent"));
  },
});
