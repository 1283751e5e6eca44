/** What plans cost: the price in force in each currency, those to come, and those of the past. */

import { get, post, remove } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { dateTime, loadTexts, localised, t } from "/js/core/i18n.js";
import { couponActions, showCoupons } from "/js/admin/price-coupons.js";
import { showTaxes, taxActions } from "/js/admin/price-taxes.js";
import { priceOf } from "/js/shared/addons.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";
import { askForm } from "/js/shared/ask-form.js";
import { ask } from "/js/shared/dialog.js";
import { minorOf, money } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const span = (one) => {
  if (one.state === "coming") return t("prices.from", { date: dateTime(one.valid_from) });
  if (!one.valid_until) return t("prices.since", { date: dateTime(one.valid_from) });
  return t("prices.until", { from: dateTime(one.valid_from), until: dateTime(one.valid_until) });
};

function rule(one) {
  if (one.existing !== "move") return t("prices.keeping");
  return Date.parse(one.moves_at) > Date.now() ? t("prices.moving", { date: dateTime(one.moves_at) }) : t("prices.moved");
}

const SOURCES = { catalogue: () => t("prices.source.catalogue"), admin: () => t("prices.source.admin") };

/** Of an add-on for one unit. */
function priced(one) {
  const price = money(one.month_minor, one.currency);
  return one.addon_id ? priceOf(view.list.addons.find(({ id }) => id === one.addon_id), price) : t("plan.per_month", { price });
}

const version = (one) => html`<li class="price-version" data-key="${one.id}" data-testid="price-version">
  <div class="row price-head"><strong>${priced(one)}</strong>
    <span class="tag" data-state="${one.state === "present" ? "running" : one.state}">${t(`prices.state.${one.state}`)}</span></div>
  <p class="hint">${[one.setup_minor > 0 && `${t("prices.setup_fee")} ${money(one.setup_minor, one.currency)}`, span(one), t("prices.paying", { count: one.services }), SOURCES[one.source]()].filter(Boolean).join(" · ")}</p>
  ${one.state !== "past" && html`<p class="hint">${rule(one)}</p>`}
  ${["present", "coming"].includes(one.state) && html`<div><button class="button quiet" type="button" data-action="prices.withdraw" data-id="${one.id}">${t("prices.withdraw")}</button></div>`}</li>`;

const earlier = (versions) =>
  versions.length > 0 &&
  html`<details data-key="earlier"><summary>${t("prices.history", { count: versions.length })}</summary><ul class="stack tight">${versions.map(version)}</ul></details>`;

function planCard(plan) {
  const over = plan.versions.filter(({ state }) => state === "past" || state === "withdrawn");
  const here = plan.versions.filter((one) => !over.includes(one));
  return html`<article class="card stack tight" data-key="${plan.id}" data-testid="price-plan-${plan.id}"><h2>${localised(plan.title)} <code class="hint">${plan.id}</code></h2>
    ${!plan.active && html`<p class="hint">${t("prices.inactive")}</p>`}
    ${here.length ? html`<ul class="stack tight">${here.map(version)}</ul>` : html`<p class="muted">${t("prices.none")}</p>`}
    ${earlier(over)}</article>`;
}

function show(list) {
  view.list = list;
  render(view.part("prices"), list.items.map(planCard));
  render(view.part("addons"), list.addons.map(planCard));
}

export async function mount(root, { signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, signal, list: null };
  await loadTexts("billing");
  adminBillingTabs(root);
  const [list] = await Promise.all([get("/admin/billing/prices", {}, signal), showCoupons(part, signal), showTaxes(part, signal)]);
  show(list);
}

const choices = (kind, items) => items.map(({ id, title }) => html`<option value="${kind}:${id}">${localised(title)}</option>`);

const fields = ({ currency, items, addons }) => html`<div class="pair"><div class="field"><label for="price-item">${t("prices.item")}</label>
    <select class="input" id="price-item" name="item" autofocus><optgroup label="${t("prices.plans")}">${choices("plan_id", items)}</optgroup>
      <optgroup label="${t("prices.addons")}">${choices("addon_id", addons)}</optgroup></select></div>
  <div class="field"><label for="price-currency">${t("prices.currency")}</label>
    <input class="input mono" id="price-currency" name="currency" value="${currency}" minlength="3" maxlength="3" pattern="[A-Z]{3}" autocapitalize="characters" autocomplete="off" spellcheck="false" required></div></div>
  <div class="pair"><div class="field"><label for="price-month">${t("prices.per_month")}</label>
    <input class="input" id="price-month" name="month_minor" inputmode="decimal" autocomplete="off" required></div>
  <div class="field"><label for="price-setup">${t("prices.setup_fee")}</label>
    <input class="input" id="price-setup" name="setup_minor" inputmode="decimal" autocomplete="off" value="0"></div></div>
  <div class="field"><label for="price-from">${t("prices.valid_from")}</label>
    <input class="input" id="price-from" name="valid_from" type="datetime-local" aria-describedby="price-from-hint"><p class="hint" id="price-from-hint">${t("prices.now_hint")}</p></div>
  <div class="field"><label for="price-existing">${t("prices.existing")}</label>
    <select class="input" id="price-existing" name="existing"><option value="keep">${t("prices.keep")}</option><option value="move">${t("prices.move")}</option></select></div>
  <div class="field"><label for="price-moves">${t("prices.moves_at")}</label>
    <input class="input" id="price-moves" name="moves_at" type="datetime-local" aria-describedby="price-moves-hint"><p class="hint" id="price-moves-hint">${t("prices.moves_hint")}</p></div>`;

/** A field's moment in the browser's time zone, as the API takes it. */
const momentOf = (local) => (local ? new Date(local).toISOString() : null);

const minorIn = (typed, currency) => minorOf(typed.trim() || "0", currency);

function checkPrice({ elements }) {
  // Who has an add-on needs no setting up. (`elements.item` is a method of every form.)
  elements.setup_minor.disabled = elements.namedItem("item").value.startsWith("addon_id:");
  for (const field of [elements.month_minor, elements.setup_minor]) {
    const minor = minorIn(field.value, elements.currency.value);
    field.setCustomValidity(minor === null || minor < 0 ? t("prices.not_amount") : "");
  }
}

async function setPrice({ item, ...given }) {
  const [kind, id] = item.split(":");
  const amounts = {
    month_minor: minorIn(given.month_minor, given.currency),
    setup_minor: minorIn(given.setup_minor ?? "0", given.currency),
  };
  const moves = given.existing === "move" ? momentOf(given.moves_at) : null;
  const times = { valid_from: momentOf(given.valid_from), moves_at: moves };
  show(await post("/admin/billing/prices", { ...given, [kind]: id, ...amounts, ...times }));
  toast(t("prices.set_done"));
}

export const actions = {
  ...couponActions,
  ...taxActions,
  "prices.ask": async () =>
    askForm(
      {
        title: t("prices.set_title"),
        text: t("prices.set_text"),
        fields: fields(view.list ?? (await get("/admin/billing/prices", {}, view.signal))),
        confirm: t("prices.set"),
        cancel: t("prices.cancel"),
        testid: "price-form",
        check: checkPrice,
      },
      setPrice,
    ),
  "prices.withdraw": async (button) => {
    const question = { title: t("prices.withdraw_title"), text: t("prices.withdraw_text"), confirm: t("prices.withdraw") };
    if (!(await ask(question))) return;
    await remove(`/admin/billing/prices/${button.dataset.id}`);
    toast(t("prices.withdrawn"));
    show(await get("/admin/billing/prices", {}, view.signal));
  },
};
