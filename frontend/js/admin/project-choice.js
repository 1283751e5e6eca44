/** Choosing anybody's project in a form: part of a name or of its owner's address, and what was found. */

import { get } from "/js/core/api.js";
import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

const PAUSE_MS = 250;
let asked = 0;

export const found = async (q, signal) => (q.trim() ? (await get("/admin/billing/ledger/projects", { q: q.trim() }, signal)).items : []);

export const named = ({ name, owner_email: email }) => (email ? `${name} · ${email}` : name);

const option = (one) => html`<option value="${one.id}" data-currency="${one.currency}">${named(one)}</option>`;

/** @param {{chosen?:{id:string,name:string,currency:string}, optional?:string}} how `optional` says what none means */
export const projectChoice = ({ chosen, optional } = {}) => html`<div class="field"><label for="project-words">${t("payments.admin.find_project")}</label>
    <input class="input" id="project-words" type="search" data-action="payer.find" maxlength="100" autocomplete="off" spellcheck="false" aria-describedby="project-hint" ${!chosen && html`autofocus`}>
    <p class="hint" id="project-hint" role="status">${optional || t("payments.admin.find_project_hint")}</p></div>
  <div class="field"><label for="project-chosen">${t("payments.project")}</label>
    <select class="input" id="project-chosen" name="project_id" data-action="payer.choose" ${!optional && html`required`}>${chosen ? option(chosen) : html`<option value="">—</option>`}</select></div>`;

/** What the project pays in is what is most likely meant. */
function inItsCurrency({ form, selectedOptions: [one] }) {
  if (form.elements.currency && one?.dataset.currency) form.elements.currency.value = one.dataset.currency;
}

export const choiceActions = {
  "payer.find": async ({ value, form }) => {
    const mine = ++asked;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (mine !== asked) return;
    const items = await found(value);
    if (mine !== asked) return;
    const choice = form.elements.project_id;
    const none = new Option("—", "");
    const options = items.map((one) => {
      const made = new Option(named(one), one.id);
      made.dataset.currency = one.currency;
      return made;
    });
    choice.replaceChildren(...(items.length === 1 && choice.required ? [] : [none]), ...options);
    if (items.length === 1) choice.value = items[0].id;
    form.querySelector("#project-hint").textContent = t("payments.admin.found_projects", { count: items.length });
    inItsCurrency(choice);
  },
  "payer.choose": async (choice) => inItsCurrency(choice),
};
