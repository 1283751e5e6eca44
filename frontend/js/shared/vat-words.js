/** What is known of a VAT number: whether somebody made sure of it, and what VIES said. */

import { dateTime, t } from "/js/core/i18n.js";

export function vatWords({ vat_id_checked: checked, vat_result: result, vat_answered_at: at, vat_consultation: number, vat_owner: owner }) {
  if (!result) return checked ? [] : [t("billing.vat_unchecked")];
  const said = t(`billing.vat_${result}`, { date: dateTime(at) });
  return [said, owner, number && t("billing.vat_consultation", { number })].filter(Boolean);
}
