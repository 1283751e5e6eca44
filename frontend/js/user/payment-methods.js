/** Saved payment methods: what may be charged again, which one first, and away with it. */

import { patch, post, remove } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { methodWords } from "/js/shared/payment-parts.js";
import { toast } from "/js/shared/toast.js";
import { leaveFor, settled } from "/js/user/top-up.js";

let view = null;

const expiry = ({ exp_month: month, exp_year: year }) => year && t("payments.expires", { month: String(month).padStart(2, "0"), year });

const row = (one) => html`<li class="danger-row" data-key="${one.id}" data-testid="payment-method">
  <p><strong>${methodWords(one)}</strong> ${one.preferred && html`<span class="tag">${t("payments.preferred")}</span>`}<br><span class="hint">${expiry(one)}</span></p>
  ${view.mayPay && html`<div class="row">
    ${!one.preferred && html`<button class="button small" type="button" data-action="methods.prefer" data-id="${one.id}">${t("payments.prefer")}</button>`}
    <button class="button small danger" type="button" data-action="methods.remove" data-id="${one.id}" aria-label="${t("payments.remove_which", { method: methodWords(one) })}">${t("payments.remove")}</button></div>`}</li>`;

export function showMethods(place, given) {
  view = given;
  const { methods, options, mayPay } = given;
  const maker = options.gateways.find(({ sets_up_methods: can }) => can);
  if (!options.gateways.length && !methods.length) return render(place, null);
  render(
    place,
    html`<section class="card stack" data-testid="payment-methods"><h2>${t("payments.methods")}</h2>
      ${methods.length ? html`<ul class="stack">${methods.map(row)}</ul>` : html`<p class="muted">${t("payments.no_methods")}</p>`}
      ${maker && mayPay && html`<div><button class="button" type="button" data-action="methods.add" data-gateway="${maker.name}">${t("payments.add_method")}</button></div>`}
      <p class="hint">${t("payments.methods_hint")}</p></section>`,
  );
}

export const actions = {
  "methods.add": async (button) => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const accepted = await post(`${view.path}/payment-methods`, { gateway: button.dataset.gateway });
      const setup = await settled(accepted.job_id, `${view.path}/payment-method-setups/${accepted.setup_id}`, view.signal);
      leaveFor(setup.action_url);
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
  "methods.prefer": async ({ dataset }) => {
    await patch(`${view.path}/payment-methods/${dataset.id}`, { preferred: true });
    await view.changed();
  },
  "methods.remove": async ({ dataset }) => {
    const method = methodWords(view.methods.find(({ id }) => id === dataset.id));
    const question = { title: t("payments.remove_title", { method }), text: t("payments.remove_text"), confirm: t("payments.remove") };
    if (!(await ask(question))) return;
    await remove(`${view.path}/payment-methods/${dataset.id}`);
    toast(t("payments.removed"));
    await view.changed();
  },
};
