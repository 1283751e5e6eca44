/** To whom a project's invoices are: shown above them, changed in a dialog. */

import { get, replace } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { mayPay } from "/js/shared/billing-tabs.js";
import { countries, countryName } from "/js/shared/countries.js";
import { toast } from "/js/shared/toast.js";
import { vatWords } from "/js/shared/vat-words.js";

const LANGUAGES = { en: "English", ru: "Русский" };
let view = null;

const path = () => `/projects/${view.project.id}/billing/profile`;

const card = ({ name, address_lines: lines, country, vat_id: vatId, vat_id_checked: checked, invoice_email: email, invoice_locale: locale, ...vies }) => html`<section class="card stack" data-testid="billing-details">
  <div class="page-head"><h2>${t("invoices.details")}</h2>${mayPay(view.project) && html`<button class="button small" type="button" data-action="details.edit">${t("invoices.details_edit")}</button>`}</div>
  <div class="pair"><p class="address">${name ? html`<strong>${name}</strong>` : html`<span class="muted">${t("invoices.details_missing")}</span>`}${lines.map((line) => html`<br>${line}`)}
      ${country && html`<br>${countryName(country)}`}</p>
    <dl class="facts">${vatId && html`<div><dt>${t("invoices.vat_id")}</dt><dd><span class="mono">${vatId}</span> ${vatWords({ vat_id_checked: checked, ...vies }).map((words) => html`<span class="hint">${words}</span> `)}</dd></div>`}
      <div><dt>${t("invoices.sent_to")}</dt><dd>${email ?? t("invoices.owner_address")}</dd></div>
      <div><dt>${t("invoices.language")}</dt><dd>${LANGUAGES[locale] ?? t("invoices.owner_language")}</dd></div></dl></div></section>`;

const option = (value, name, chosen) => html`<option value="${value}" ${value === chosen && html`selected`}>${name}</option>`;
const optional = () => html`<span class="muted">${t("form.optional")}</span>`;

const fields = (details) => html`<div class="field"><label for="details-name">${t("invoices.name")}</label>
    <input class="input" id="details-name" name="name" maxlength="200" autocomplete="organization" value="${details.name}" autofocus></div>
  <div class="field"><label for="details-address">${t("invoices.address")}</label>
    <textarea class="input" id="details-address" name="address_lines" rows="3" maxlength="1200" autocomplete="street-address">${details.address_lines.join("\n")}</textarea></div>
  <div class="field"><label for="details-country">${t("invoices.country")}</label>
    <select class="input" id="details-country" name="country" autocomplete="country">${option("", "—", details.country ?? "")}${countries().map(([code, name]) => option(code, name, details.country))}</select></div>
  <div class="field"><label for="details-vat">${t("invoices.vat_id")} ${optional()}</label>
    <input class="input mono" id="details-vat" name="vat_id" maxlength="20" autocomplete="off" spellcheck="false" value="${details.vat_id ?? ""}"></div>
  <div class="field"><label for="details-email">${t("invoices.sent_to")} ${optional()}</label>
    <input class="input" id="details-email" name="invoice_email" type="email" maxlength="254" autocomplete="email" value="${details.invoice_email ?? ""}">
    <span class="hint">${t("invoices.sent_to_hint")}</span></div>
  <div class="field"><label for="details-locale">${t("invoices.language")}</label>
    <select class="input" id="details-locale" name="invoice_locale">${option("", t("invoices.owner_language"), details.invoice_locale ?? "")}${Object.entries(LANGUAGES).map(([code, name]) => option(code, name, details.invoice_locale))}</select></div>`;

/** Fills `place` with the project's billing details. */
export async function fill(place, project, signal) {
  view = { place, project };
  view.details = await get(path(), {}, signal);
  render(place, card(view.details));
}

const given = ({ name, address_lines: address, ...rest }) => ({
  name,
  address_lines: address.split("\n").map((line) => line.trim()).filter(Boolean),
  ...Object.fromEntries(Object.entries(rest).map(([field, value]) => [field, value || null])),
});

export async function edit() {
  const question = { title: t("invoices.details"), text: t("invoices.details_text"), fields: fields(view.details), confirm: t("form.save"), cancel: t("dialog.cancel"), testid: "details-form" };
  const saved = await askForm(question, async (values) => {
    view.details = await replace(path(), given(values));
  });
  if (!saved) return;
  render(view.place, card(view.details));
  toast(t("invoices.details_saved"));
}
