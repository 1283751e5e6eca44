/** The operator's forms about one project's money: an entry by hand, and its terms. */

import { ApiError, post, replace } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { minorOf, typedOf } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

/** Minor units of what was typed into a field; what is no amount is said there, as the API would. */
function amountIn(field, typed, currency) {
  const minor = minorOf(typed, currency);
  if (minor !== null) return minor;
  throw new ApiError({ status: 422, code: "invalid", errors: [{ loc: ["body", field], code: "amount_invalid" }] });
}

/** @returns {Promise<boolean>} whether an entry was posted or proposed */
export const adjust = ({ project_id: project, project_name: name, currency }) =>
  askForm(
    {
      title: t("ledger.adjust_title", { name }),
      text: t("ledger.adjust_text"),
      fields: html`<div class="field"><label for="adjust-amount">${t("ledger.adjust_amount", { currency })}</label>
          <input class="input" id="adjust-amount" name="amount" required autocomplete="off" autofocus></div>
        <div class="field"><label for="adjust-reason">${t("ledger.reason")}</label>
          <textarea class="input" id="adjust-reason" name="reason" required minlength="3" maxlength="500" rows="3"></textarea></div>`,
      confirm: t("ledger.adjust_confirm"),
      cancel: t("dialog.cancel"),
      testid: "adjust",
    },
    async ({ amount, reason }) => {
      const body = { project_id: project, currency, amount: amountIn("amount", amount, currency), reason };
      const { state } = await post("/admin/billing/ledger/adjustments", body);
      toast(t(`ledger.${state}`));
    },
  );

/** @returns {Promise<boolean>} whether the terms were changed */
export const change = (terms) =>
  askForm(
    {
      title: t("ledger.terms_title", { name: terms.project_name }),
      fields: html`<div class="field"><label for="terms-limit">${t("ledger.terms_limit", { currency: terms.currency })}</label>
          <input class="input" id="terms-limit" name="credit_limit_minor" inputmode="decimal" autocomplete="off" autofocus
            value="${terms.credit_limit_minor === null ? "" : typedOf(terms.credit_limit_minor, terms.currency)}">
          <p class="hint">${t("ledger.terms_limit_hint")}</p></div>
        <label class="check"><input type="checkbox" name="checked" ${terms.vat_id_checked && html`checked`}><span>${t("ledger.terms_checked", { country: terms.country ?? "—", number: terms.vat_id ?? "—" })}</span></label>
        <label class="check"><input type="checkbox" name="exempt" ${terms.tax_exempt && html`checked`}><span>${t("ledger.terms_exempt")}</span></label>`,
      confirm: t("ledger.save"),
      cancel: t("dialog.cancel"),
      testid: "terms",
    },
    async ({ credit_limit_minor: limit, checked, exempt }) => {
      const minor = limit.trim() ? amountIn("credit_limit_minor", limit, terms.currency) : null;
      const body = { credit_limit_minor: minor, vat_id_checked: Boolean(checked), tax_exempt: Boolean(exempt) };
      await replace(`/admin/billing/projects/${terms.project_id}/terms`, body);
      toast(t("ledger.saved"));
    },
  );
