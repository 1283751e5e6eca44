/** The order's bill: asked for again whenever plan, project or coupon change. */

import { get } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { fieldError } from "/js/shared/form.js";
import { quoteBill } from "/js/shared/quote.js";

let view = null;

const couponField = () => html`<details data-testid="coupon-field"><summary>${t("prices.have_coupon")}</summary>
  <div class="field"><label for="coupon">${t("prices.coupon")}</label>
    <div class="row coupon-row"><input class="input mono" id="coupon" name="coupon" maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" data-action="quote.typed">
      <button class="button" type="button" data-action="quote.apply" data-testid="apply-coupon">${t("prices.apply")}</button></div></div></details>`;

/**
 * Fills `[data-part=coupon]` and `[data-part=quote]` of the order form.
 * @param changed called with each quote: the project may pay in another currency than the one before
 */
export async function offerQuote(part, form, signal, changed) {
  await loadTexts("prices");
  view = { part, form, signal, changed, turn: 0, applied: "" };
  render(part("coupon"), couponField());
}

/** Asks for the bill of what is chosen now; an answer that was overtaken is dropped. */
export async function showQuote() {
  const { form, part, signal } = view;
  const { plan_id: plan, project_id: project } = Object.fromEntries(new FormData(form));
  if (!plan) return;
  const mine = ++view.turn;
  const query = { plan_id: plan, project_id: project, coupon: view.applied };
  try {
    const quote = await get("/orders/preview", query, signal);
    if (mine !== view.turn) return;
    render(part("quote"), quoteBill(quote));
    view.changed(quote);
  } catch (error) {
    if (error.name !== "ApiError" || error.status === 401) throw error;
    if (mine !== view.turn) return;
    if (view.applied && error.code.startsWith("coupon_")) return refuseCoupon(error.message);
    render(part("quote"), html`<div class="callout" data-tone="bad" role="status">${error.message}</div>`);
  }
}

function refuseCoupon(message) {
  view.applied = "";
  fieldError(view.form, "coupon", message);
  return showQuote();
}

/** The coupon that the order goes with: the one whose bill is shown. */
export const appliedCoupon = () => (view?.applied ? { coupon: view.applied } : {});

/** Whether what was typed was looked at: nobody shall order at a price that they did not see. */
export async function couponChecked() {
  const field = view?.form.elements.coupon;
  if (!field || field.value.trim() === view.applied) return true;
  await applyCoupon();
  return field.value.trim() === view.applied;
}

async function applyCoupon() {
  const field = view.form.elements.coupon;
  view.applied = field.value.trim();
  fieldError(view.form, "coupon", "");
  await showQuote();
  if (field.getAttribute("aria-invalid") === "true") field.focus();
}

export const quoteActions = {
  "quote.choose": () => showQuote(),
  "quote.typed": (field) => field.getAttribute("aria-invalid") === "true" && fieldError(view.form, "coupon", ""),
  "quote.apply": async (button) => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await applyCoupon();
    } finally {
      button.removeAttribute("aria-busy");
    }
  },
};
