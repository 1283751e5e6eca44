/** A service's settings: how its health is asked, its plan, its end. */

import { get, patch, post } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { loadTexts, localised, t } from "/js/core/i18n.js";
import { complete, submit, values } from "/js/shared/form.js";
import { healthActions, healthFields, healthOf } from "/js/shared/health-fields.js";
import { planFacts, price } from "/js/shared/plans.js";
import { quoteBill } from "/js/shared/quote.js";
import { toast } from "/js/shared/toast.js";

let view = null;

export async function open(root, { service, signal, asked }) {
  const [plans] = await Promise.all([get("/plans", {}, signal), loadTexts("prices")]);
  const option = (plan) => html`<option value="${plan.id}" ${plan.id === service.plan_id && html`selected`}>
    ${localised(plan.title)} — ${price(plan)} (${planFacts(plan)})</option>`;
  render(
    root,
    html`<form class="card stack" data-action="settings.save" data-testid="settings-form" novalidate>
      <h2>${t("service.tab_settings")}</h2>
      <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
      ${healthFields(service)}
      <div class="field"><label for="release_command">${t("settings.release_command")}</label>
        <textarea class="input mono" id="release_command" name="release_command" rows="2" maxlength="4000" spellcheck="false" placeholder="python manage.py migrate" aria-describedby="release-hint">${service.release_command ?? ""}</textarea>
        <p class="hint" id="release-hint">${t("settings.release_hint")}</p></div>
      <div class="field"><label for="plan_id">${t("order.plan")}</label>
        <select class="input" id="plan_id" name="plan_id" data-action="settings.plan">${plans.items.map(option)}</select></div>
      <div class="stack tight" data-part="quote" data-testid="quote" aria-live="polite"></div>
      <p class="hint">${t("settings.effect")}</p>
      <div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
        <button class="button" type="button" data-action="settings.redeploy" data-testid="save-and-redeploy">${t("variables.save_and_redeploy")}</button></div>
    </form>
    <section class="card stack danger-zone"><h2>${t("settings.danger")}</h2><p>${t("settings.danger_text")}</p>
      <div><button class="button danger" type="button" data-action="service.delete" data-testid="delete">${icon("trash")}${t("service.delete")}</button></div></section>`,
  );
  view = { id: service.id, form: root.querySelector("form"), place: root.querySelector("[data-part=quote]"), signal, asked, turn: 0 };
  await showQuote();
}

/** What the chosen plan costs; whoever may not see the project's money sees none. */
async function showQuote() {
  const mine = ++view.turn;
  const place = view.place;
  try {
    const quote = await get(`/services/${view.id}/plan-preview`, { plan_id: values(view.form).plan_id }, view.signal);
    if (mine === view.turn) render(place, quoteBill(quote));
  } catch (error) {
    if (error.name !== "ApiError" || error.status === 401) throw error;
    if (mine === view.turn) render(place, error.status === 409 && html`<div class="callout" data-tone="bad">${error.message}</div>`);
  }
}

async function save() {
  const given = values(view.form);
  await patch(`/services/${view.id}`, {
    ...healthOf(given),
    release_command: given.release_command.trim() || null,
    plan_id: given.plan_id,
  });
  toast(t("settings.saved"));
}

function saveThen(form, then) {
  if (!complete(form)) return null;
  return submit(form, async () => {
    await save();
    await then();
  });
}

export const actions = {
  ...healthActions,
  "settings.plan": () => showQuote(),
  "settings.save": (form) => saveThen(form, view.asked),
  "settings.redeploy": () =>
    saveThen(view.form, async () => {
      await post(`/services/${view.id}/deployments`);
      await view.asked();
    }),
};
