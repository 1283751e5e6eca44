/** What gateways sent, as it came, without what names people or opens anything. */

import { get } from "/js/core/api.js";
import { html, since } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/dialog.js";
import { gatewayName } from "/js/shared/payment-parts.js";

const PATH = "/admin/billing/gateway-messages";
const TONES = { received: "queued", applied: "succeeded", ignored: "cancelled", unknown: "pending", failed: "failed" };

const row = (message) => html`<li class="grid-row payment-row" data-key="${message.id}" data-testid="gateway-message">
  <div><strong class="cut mono" title="${message.kind}">${message.kind}</strong><span class="hint">${gatewayName(message.gateway)}</span></div>
  <div><span class="badge" data-state="${TONES[message.state]}">${t(`payments.message.${message.state}`)}</span></div>
  <div class="hint">${message.copies > 1 && t("payments.admin.copies", { count: message.copies })}</div>
  <div class="hint">${since(message.received_at)}</div>
  <div class="row-end"><button class="button small" type="button" data-action="adminpay.message" data-id="${message.id}">${t("payments.admin.details")}</button></div></li>`;

export const messages = {
  path: PATH,
  states: Object.keys(TONES),
  words: "payments.message",
  empty: "payments.admin.no_messages",
  table: (items) => html`<div class="grid-list"><div class="grid-row grid-head payment-row eyebrow" aria-hidden="true"><span>${t("payments.admin.message")}</span><span>${t("payments.state")}</span>
    <span></span><span>${t("payments.when")}</span><span></span></div><ul>${items.map(row)}</ul></div>`,
};

export const actions = {
  "adminpay.message": async ({ id }) => {
    const message = await get(`${PATH}/${id}`);
    sheet(
      html`<div class="stack"><h2 id="sheet-title" class="mono address">${message.kind}</h2>
        <p class="hint">${t("payments.admin.masked")}</p>
        <pre class="example mono" tabindex="0">${JSON.stringify(message.body, null, 2)}</pre>
        <div class="row dialog-buttons"><button class="button" type="button" data-action="adminpay.close">${t("payments.close")}</button></div></div>`,
      "message-sheet",
    );
  },
};
