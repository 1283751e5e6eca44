/** The catalogue: what can be ordered with one click, and the order itself. */

import { chosenProject, get, post, profile } from "/js/core/api.js";
import { navigate, noteInAddress } from "/js/core/app.js";
import { html, icon, render } from "/js/core/dom.js";
import { localised, t } from "/js/core/i18n.js";
import { complete, submit } from "/js/shared/form.js";
import { amount } from "/js/shared/money.js";
import { field, given, piece } from "/js/user/template-form.js";

const MAY_ORDER = ["owner", "developer"];
let view = null;

const card = (one) => html`<li><a class="choice" href="/catalogue?template=${one.id}" data-testid="template-${one.id}">${icon(one.icon)}
  <span><strong>${localised(one.title)}</strong><span class="hint">${localised(one.description)}</span>
  ${!one.available && html`<span class="hint">${t("stacks.unavailable")}</span>`}</span></a></li>`;

function showCards(words = "") {
  const sought = words.trim().toLocaleLowerCase();
  const fits = (one) => [one.id, localised(one.title), localised(one.description)].join(" ").toLocaleLowerCase().includes(sought);
  const found = view.templates.filter(fits);
  render(view.part("cards"), found.length ? html`<ul class="choices">${found.map(card)}</ul>` : html`<p class="muted">${t("stacks.none_found")}</p>`);
}

function projectField() {
  const projects = (profile()?.projects ?? []).filter(({ role }) => MAY_ORDER.includes(role));
  return (
    projects.length > 1 &&
    html`<div class="field"><label for="project_id">${t("order.project")}</label><select class="input" id="project_id" name="project_id" data-action="catalogue.quote">${projects.map(
      ({ id, name }) => html`<option value="${id}" ${id === chosenProject() && html`selected`}>${name}</option>`,
    )}</select></div>`
  );
}

const secrets = ({ secrets: made }) =>
  made.length > 0 && html`<p class="hint">${t("stacks.generated", { names: made.map(({ title }) => localised(title)).join(", ") })}</p>`;

const orderForm = (one) => html`<div class="stack order-main">
    <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
    <p>${localised(one.description)}</p>
    ${!one.available && html`<div class="callout" data-tone="warn"><strong>${t("stacks.unavailable")}</strong><p>${one.missing_abilities.map((word) => t(`stacks.lacks.${word}`)).join(" ")}</p></div>`}
    <section class="card stack"><h2>${t("stacks.settings")}</h2>${projectField()}
      <div class="field"><label for="name">${t("order.name")}</label>
        <input class="input mono" id="name" name="name" required minlength="3" maxlength="40" pattern="[a-z][a-z0-9\\-]*[a-z0-9]" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="name-hint">
        <p class="hint" id="name-hint">${t(one.services.length > 1 ? "stacks.name_hint" : "stacks.name_hint_one")}</p></div>
      ${one.parameters.map(field)}${secrets(one)}</section></div>
  <aside class="stack order-side"><section class="card stack"><h2>${t("stacks.makes")}</h2>
    <ul class="stack">${one.services.map((service) => piece(service, view.plans))}</ul>
    <div class="stack tight" data-part="quote" data-testid="stack-quote" aria-live="polite"></div>
    <button class="button primary" type="submit" data-testid="stack-order" ${!one.available && html`disabled`}>${t("stacks.order")}</button></section></aside>`;

function plansOf(form) {
  return Object.fromEntries(view.chosen.services.map(({ part }) => [part, form.elements[`plans.${part}`].value]));
}

const line = (label, value, strong) => html`<div class="${strong ? "quote-sum" : ""}"><dt>${label}</dt><dd>${value}</dd></div>`;

async function showQuote() {
  const { form, chosen, signal } = view;
  if (!chosen.available) return;
  const mine = ++view.turn;
  const counts = given(form, chosen.parameters.filter(({ type }) => type === "number"));
  const project = form.elements.project_id?.value;
  const body = { template_id: chosen.id, plans: plansOf(form), parameters: counts, ...(project && { project_id: project }) };
  const place = form.querySelector("[data-part=quote]");
  try {
    const quote = await post("/stacks/preview", body, signal);
    if (mine !== view.turn) return;
    const { currency } = quote;
    render(
      place,
      html`<dl class="quote">${line(t("stacks.month"), amount(quote.month_total_minor, currency))}
        ${quote.charged && line(t("stacks.held"), amount(quote.held_minor, currency), true)}</dl>
        ${quote.missing_minor > 0 && html`<div class="callout" data-tone="bad"><strong>${t("stacks.missing", { amount: amount(quote.missing_minor, currency) })}</strong></div>`}`,
    );
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    if (mine === view.turn) render(place, html`<p class="hint">${error.message}</p>`);
  }
}

async function showForm(one) {
  view.chosen = one;
  view.part("title").textContent = localised(one.title);
  view.part("crumb").href = "/catalogue";
  view.part("crumb").textContent = t("stacks.catalogue");
  for (const place of ["toolbar", "cards", "stacks"]) view.part(place).hidden = true;
  render(view.part("cards"), "");
  view.form.hidden = false;
  render(view.form, orderForm(one));
  await showQuote();
}

const stackRow = (stack) => html`<li><a class="row-name" href="/stacks/${stack.id}">${stack.name}</a> <span class="muted">${localised(view.templates.find(({ id }) => id === stack.template_id)?.title ?? { en: stack.template_id, ru: stack.template_id })}</span></li>`;

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, form: part("form"), templates: [], plans: [], chosen: null, turn: 0, signal };
  const [templates, plans, stacks] = await Promise.all([
    get("/stack-templates", {}, signal),
    get("/plans", {}, signal),
    get("/stacks", { project_id: chosenProject(), size: 100 }, signal),
  ]);
  view.templates = templates.items;
  view.plans = plans.items.filter(({ prices }) => prices.length);
  const chosen = view.templates.find(({ id }) => id === query.template);
  if (chosen) return showForm(chosen);
  part("stacks").hidden = !stacks.items.length;
  render(part("stacks"), html`<h2>${t("stacks.yours")}</h2><ul class="stack tight">${stacks.items.map(stackRow)}</ul>`);
  root.querySelector("[name=q]").value = query.q ?? "";
  return showCards(query.q);
}

export const actions = {
  "catalogue.search": (input) => {
    noteInAddress({ q: input.value });
    showCards(input.value);
  },
  "catalogue.quote": () => showQuote(),
  "catalogue.order": async (form) => {
    if (!complete(form)) return;
    const project = form.elements.project_id?.value;
    await submit(form, async () => {
      const { stack_id: id } = await post("/stacks", {
        template_id: view.chosen.id,
        name: form.elements.name.value.trim(),
        plans: plansOf(form),
        parameters: given(form, view.chosen.parameters),
        ...(project && { project_id: project }),
      });
      await navigate(`/stacks/${id}`);
    });
  },
};
