/** Tax rates by country, and by which rules the installation taxes. */

import { get, post, remove } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { currentLanguage, dateTime, number, t } from "/js/core/i18n.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const percent = (millionths) => number(millionths / 1_000_000, { style: "percent", maximumFractionDigits: 4 });

const countryName = (code) => new Intl.DisplayNames([currentLanguage()], { type: "region" }).of(code) ?? code;

const coming = (rate) => html`<p class="hint">${t("prices.from", { date: dateTime(rate.valid_from) })}</p>
  <div><button class="button quiet" type="button" data-action="taxes.remove" data-id="${rate.id}" data-country="${rate.country}">${t("prices.remove_rate")}</button></div>`;

const row = (rate) => html`<li class="rate" data-key="${rate.id}" data-testid="tax-rate"><div class="rate-line"><span>${countryName(rate.country)} <code class="hint">${rate.country}</code></span>
  <strong>${percent(rate.rate_millionths)}</strong></div>${rate.state === "coming" && coming(rate)}</li>`;

/** How the source of the rates begins that an installation comes with (tax_rates.toml). */
const SEEDED = "Comes with the installation";

function rules({ operator_country: home, prices_include_tax: included }) {
  if (!home) return t("prices.taxes_none");
  const mode = included ? t("prices.mode_included") : t("prices.mode_added");
  return t("prices.taxes_home", { country: countryName(home), mode });
}

function show(rates) {
  const now = rates.items
    .filter(({ state }) => state !== "past")
    .sort((a, b) => countryName(a.country).localeCompare(countryName(b.country), currentLanguage()));
  const sources = [...new Set(now.map(({ source }) => (source.startsWith(SEEDED) ? t("prices.source_seeded") : source)))].join("; ");
  render(
    view.part("taxes"),
    html`<p class="muted">${rules(rates)}</p><div class="card stack"><ul class="rates">${now.map(row)}</ul>
      ${sources && html`<p class="hint">${t("prices.sources", { sources })}</p>`}</div>`,
  );
}

const reload = async () => show(await get("/admin/billing/tax-rates", {}, view.signal));

export async function showTaxes(part, signal) {
  view = { part, signal };
  await reload();
}

const fields = () => html`<div class="pair"><div class="field"><label for="tax-country">${t("prices.country")}</label>
    <input class="input mono" id="tax-country" name="country" minlength="2" maxlength="2" pattern="[A-Z]{2}" autocapitalize="characters" autocomplete="off" spellcheck="false" required autofocus aria-describedby="tax-country-hint">
    <p class="hint" id="tax-country-hint">${t("prices.country_hint")}</p></div>
  <div class="field"><label for="tax-rate">${t("prices.rate")}</label>
    <input class="input" id="tax-rate" name="rate_percent" inputmode="decimal" maxlength="8" autocomplete="off" required></div></div>
  <div class="field"><label for="tax-from">${t("prices.valid_from")}</label>
    <input class="input" id="tax-from" name="valid_from" type="datetime-local" aria-describedby="tax-from-hint"><p class="hint" id="tax-from-hint">${t("prices.now_hint")}</p></div>
  <div class="field"><label for="tax-source">${t("prices.source")}</label>
    <input class="input" id="tax-source" name="source" maxlength="300" autocomplete="off" required></div>`;

async function add(given) {
  const from = given.valid_from ? new Date(given.valid_from).toISOString() : null;
  await post("/admin/billing/tax-rates", { ...given, rate_percent: given.rate_percent.trim().replace(",", "."), valid_from: from });
  toast(t("prices.rate_added"));
  await reload();
}

export const taxActions = {
  "taxes.ask": () =>
    askForm(
      {
        title: t("prices.add_rate"),
        text: t("prices.add_rate_text"),
        fields: fields(),
        confirm: t("prices.add_rate"),
        cancel: t("prices.cancel"),
        testid: "tax-form",
      },
      add,
    ),
  "taxes.remove": async ({ dataset: { id, country } }) => {
    const question = { title: t("prices.remove_rate_title", { country: countryName(country) }), text: t("prices.remove_rate_text"), confirm: t("prices.remove_rate") };
    if (!(await ask(question))) return;
    await remove(`/admin/billing/tax-rates/${id}`);
    toast(t("prices.rate_removed"));
    await reload();
  },
};
