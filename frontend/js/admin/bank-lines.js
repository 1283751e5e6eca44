/** Lines of bank statements: importing them, and whose those are that name nobody. */

import { post } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { projectChoice } from "/js/admin/project-choice.js";
import { askForm } from "/js/shared/ask-form.js";
import { day } from "/js/shared/invoice-parts.js";
import { amount } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

const PATH = "/admin/billing/bank-lines";
/** One project's reference is on it. */
const NAMED = "second_pair_of_eyes";
const TONES = { matched: "succeeded", unmatched: "pending", ignored: "cancelled" };

const row = (line) => html`<li class="grid-row payment-row" data-key="${line.id}" data-testid="bank-line">
  <div><strong class="figure-small">${amount(line.amount, line.currency)}</strong><span class="hint cut">${line.payer || "—"}</span></div>
  <div><span class="badge" data-state="${TONES[line.state]}">${t(`payments.line.${line.state}`)}</span></div>
  <div class="stack tight"><span class="reason">${line.purpose}</span>
    ${line.state === "unmatched" && line.reason_code && html`<span class="hint">${t(`payments.line_reason.${line.reason_code}`)}</span>`}
    ${line.project && html`<a class="hint" href="/admin/billing/ledger?project_id=${line.project.id}">${line.project.name}</a>`}</div>
  <div class="hint"><time datetime="${line.booked_on}">${day(line.booked_on)}</time></div>
  <div class="row-end row">${line.state !== "matched" && html`<button class="button small" type="button" data-action="adminpay.match" data-id="${line.id}">${t("payments.admin.match")}</button>`}
    ${line.state === "unmatched" && html`<button class="button small" type="button" data-action="adminpay.ignore" data-id="${line.id}">${t("payments.admin.ignore")}</button>`}</div></li>`;

export const lines = {
  path: PATH,
  states: ["unmatched", "matched", "ignored"],
  words: "payments.line",
  empty: "payments.admin.no_lines",
  table: (items) => html`<div class="grid-list"><div class="grid-row grid-head payment-row eyebrow" aria-hidden="true"><span>${t("payments.amount")}</span><span>${t("payments.state")}</span>
    <span>${t("payments.admin.purpose")}</span><span>${t("payments.when")}</span><span></span></div><ul>${items.map(row)}</ul></div>`,
};

export const actions = {
  "adminpay.import": async (_, changed) => {
    let done = null;
    const question = {
      title: t("payments.admin.import"),
      text: t("payments.admin.import_text"),
      fields: html`<div class="field"><label for="statement-file">${t("payments.admin.file")}</label>
        <input class="input" id="statement-file" name="csv" type="file" accept=".csv,text/csv" required></div>`,
      confirm: t("payments.admin.import"),
      cancel: t("dialog.cancel"),
      testid: "import-form",
    };
    const send = async ({ csv }) => {
      done = await post("/admin/billing/bank-statements", { csv: await csv.text() });
    };
    if (!(await askForm(question, send))) return;
    toast(t("payments.admin.imported", done));
    // Those are what a person has to do now.
    if (done.unmatched) return navigate("/admin/billing/payments?view=bank&state=unmatched");
    await changed();
  },
  "adminpay.match": async (line, changed) => {
    const question = {
      title: t("payments.admin.match_title", { amount: amount(line.amount, line.currency) }),
      text: line.purpose,
      fields: projectChoice({ optional: line.reason_code === NAMED && t("payments.admin.project_named") }),
      confirm: t("payments.admin.match"),
      cancel: t("dialog.cancel"),
      testid: "match-form",
    };
    if (!(await askForm(question, ({ project_id: project }) => post(`${PATH}/${line.id}/match`, { project_id: project || null })))) return;
    toast(t("payments.admin.matched"));
    await changed();
  },
  "adminpay.ignore": async (line, changed) => {
    const question = {
      title: t("payments.admin.ignore"),
      text: line.purpose,
      fields: html`<div class="field"><label for="ignore-reason">${t("payments.admin.reason")}</label>
        <input class="input" id="ignore-reason" name="reason" minlength="3" maxlength="500" autocomplete="off" required></div>`,
      confirm: t("payments.admin.ignore"),
      cancel: t("dialog.cancel"),
      testid: "ignore-form",
    };
    if (!(await askForm(question, ({ reason }) => post(`${PATH}/${line.id}/ignore`, { reason })))) return;
    await changed();
  },
};
