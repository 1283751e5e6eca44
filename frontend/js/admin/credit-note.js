/** The question with which a credit note is issued: why, and how much of which line goes back. */

import { ApiError, post } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { lineName } from "/js/shared/invoice-parts.js";
import { amount, minorOf, typedOf } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

const left = (line) => line.gross - line.credited;

const field = (line, currency) => html`<div class="field"><label for="line-${line.id}">${lineName(line)}</label>
  <input class="input" id="line-${line.id}" name="line-${line.id}" inputmode="decimal" autocomplete="off" value="${typedOf(left(line), currency)}">
  <span class="hint">${t("invoices.left", { amount: amount(left(line), currency) })}</span></div>`;

/** As if the API had said it of the field. */
const wrong = (name) =>
  new ApiError({ status: 422, code: "invalid", errors: [{ loc: [name], code: "invalid_amount", message: t("form.invalid") }] });

/** @returns {Promise<boolean>} whether one was issued */
export function creditNote(invoice) {
  const { currency } = invoice;
  const lines = invoice.lines.filter((line) => left(line) > 0);
  const fields = html`<div class="field"><label for="credit-reason">${t("invoices.reason")}</label>
      <input class="input" id="credit-reason" name="reason" minlength="3" maxlength="500" required autofocus>
      <span class="hint">${t("invoices.reason_hint")}</span></div>
    <fieldset class="choice-set stack"><legend>${t("invoices.give_back", { currency })}</legend>${lines.map((line) => field(line, currency))}</fieldset>`;
  const question = {
    title: t("invoices.credit_title", { reference: invoice.reference }),
    text: t("invoices.credit_text"),
    fields,
    confirm: t("invoices.credit_confirm"),
    cancel: t("dialog.cancel"),
    danger: true,
    testid: "credit-note-form",
  };
  return askForm(question, async (given) => {
    const wanted = lines.map((line) => ({ line, gross: minorOf(given[`line-${line.id}`] || "0", currency) }));
    for (const { line, gross } of wanted) {
      if (gross === null || gross < 0 || gross > left(line)) throw wrong(`line-${line.id}`);
    }
    const parts = wanted.filter(({ gross }) => gross > 0).map(({ line, gross }) => ({ line_id: line.id, gross }));
    if (!parts.length) throw wrong(`line-${lines[0].id}`);
    await post(`/admin/billing/invoices/${invoice.id}/credit-notes`, { reason: given.reason, lines: parts });
    toast(t("invoices.credit_done"));
  });
}
