/** Ordering a service: what to run, under which name, with what size and variables. */

import { chosenProject, get, post, profile } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { html, icon, render } from "/js/core/dom.js";
import { localised, t } from "/js/core/i18n.js";
import { addonList } from "/js/shared/addons.js";
import { complete, fieldError, submit, values } from "/js/shared/form.js";
import { healthActions, healthFields, healthOf } from "/js/shared/health-fields.js";
import { planFacts, price } from "/js/shared/plans.js";
import { checkRepository } from "/js/shared/source.js";
import { appliedCoupon, couponChecked, offerQuote, quoteActions, showQuote } from "/js/user/order-quote.js";
import { accessActions, accessComplete, accessOf, forgetKey, offerAccess, showAccess } from "/js/user/order-access.js";
import { KINDS, checkImage, choose, kind, offerKinds, otherComplete, otherSource } from "/js/user/order-source.js";
import { readVariables, variableActions, variablesEditor } from "/js/shared/variables.js";

const ICONS = { "git-app": "git", "example-python": "python", "example-node": "node", "example-static": "static" };
const NAME = /^[a-z](?:[a-z0-9]|-(?!-))*$/;
// Whose role lets them order; the server checks.
const MAY_ORDER = ["owner", "developer"];
let view = null;

const templateCard = (template, chosen) => html`<label class="choice">
  <input type="radio" name="template_id" value="${template.id}" data-action="order.template" ${template === chosen && html`checked`}>
  ${icon(ICONS[template.id] ?? "box")}
  <span><strong>${localised(template.title)}</strong><span class="hint">${localised(template.description)}</span></span></label>`;

const planCard = (plan, at) => html`<label class="choice plan">
  <input type="radio" name="plan_id" value="${plan.id}" data-action="quote.choose" ${at === 0 && html`checked`}>
  <span><span class="plan-head"><strong>${localised(plan.title)}</strong><span data-plan-price="${plan.id}">${price(plan)}</span></span>
    <span class="hint">${planFacts(plan)}</span></span></label>`;

function nameProblem(name) {
  if (!name) return "";
  if (!/^[a-z]/.test(name)) return t("order.name_start");
  if (!NAME.test(name)) return t("order.name_signs");
  if (name.endsWith("-")) return t("order.name_end");
  if (name.length < 3 || name.length > 40) return t("order.name_length");
  return "";
}

/** The same rules as the server's, said before anything is sent. */
function check(form) {
  const { name, "source.repo_url": repository } = form.elements;
  name.setCustomValidity(nameProblem(name.value.trim()));
  checkRepository(repository);
}

function previewAddress() {
  const name = view.form.elements.name.value.trim();
  const address = view.appsUrl?.replace("{name}", name);
  view.part("address").textContent =
    address && name && !nameProblem(name) ? t("order.address", { address }) : t("order.name_hint");
}

function fillSource(template) {
  const { form } = view;
  const repo = form.elements["source.repo_url"];
  const ref = form.elements["source.ref"];
  const earlier = view.example;
  // An address typed by hand outlives a change of the template, an example's does not.
  if (template.example) {
    repo.value = template.example.repo_url;
    ref.value = template.example.ref ?? "";
  } else if (earlier && repo.value === earlier.repo_url) {
    repo.value = "";
    ref.value = "";
  }
  repo.readOnly = Boolean(template.example);
  view.example = template.example;
  view.part("kinds").hidden = Boolean(template.example);
  showKind();
}

/** An example is always a repository, whatever was chosen before. */
function showKind() {
  const repository = Boolean(view.example) || kind() === "git";
  view.part("kinds").querySelector("[data-part=other]").hidden = repository;
  view.part("repository").hidden = !repository;
  view.form.elements["source.repo_url"].required = repository;
  view.part("access").hidden = !repository || Boolean(view.example);
  for (const input of view.part("kinds").querySelectorAll("[data-part=other] input")) input.disabled = repository;
  showAccess();
}

/** Address, ref, folder and access as the form says them. */
function source() {
  const given = values(view.form);
  if (kind() !== "git") return otherSource(given);
  const ref = given["source.ref"].trim();
  return { repo_url: given["source.repo_url"].trim(), ...(ref && { ref }), ...accessOf(given) };
}

/** Only whoever has a choice is asked for it. */
function offerProjects() {
  const projects = (profile()?.projects ?? []).filter(({ role }) => MAY_ORDER.includes(role));
  const choice = view.form.elements.project_id;
  choice.replaceChildren(...projects.map(({ id, name }) => new Option(name, id, false, id === chosenProject())));
  view.part("project").hidden = projects.length < 2;
}

/** Plans as they are priced in what the project pays in. */
function priceIn({ currency }) {
  for (const plan of view.plans) {
    const place = view.part("plans").querySelector(`[data-plan-price="${plan.id}"]`);
    if (place) place.textContent = price(plan, currency);
  }
  showAddons(currency);
}

function showAddons(currency) {
  const list = addonList(view.addons, currency);
  render(view.part("addons"), list);
  view.part("addons").hidden = !list;
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, form: root.querySelector("form"), templates: [], plans: [], addons: [], example: null, appsUrl: "" };
  variablesEditor(part("variables"), []);
  render(part("health"), healthFields({ health_kind: "http" }));
  offerProjects();
  previewAddress();
  const [templates, plans, addons] = await Promise.all([
    get("/templates", {}, signal),
    get("/plans", {}, signal),
    get("/addons", {}, signal),
    offerAccess(part("access"), view.form, source).then(() => offerKinds(part("kinds"), view.form, ["git", "archive"], showKind)),
    offerQuote(part, view.form, signal, priceIn),
  ]);
  view.templates = templates.items.filter(({ kind: made }) => made !== "stack");
  view.appsUrl = templates.apps_url;
  if (templates.abilities.includes("images")) offerKinds(part("kinds"), view.form, KINDS, showKind);
  // The name may have been typed before the catalogue came.
  previewAddress();
  const chosen = view.templates.find(({ id }) => id === query.template) ?? view.templates[0];
  render(part("templates"), view.templates.map((template) => templateCard(template, chosen)));
  view.plans = plans.items.filter(({ prices }) => prices.length);
  render(part("plans"), view.plans.map(planCard));
  view.addons = addons.items;
  showAddons();
  if (chosen) fillSource(chosen);
  await showQuote();
}

async function send(form) {
  const given = values(form);
  const order = {
    template_id: given.template_id,
    plan_id: given.plan_id,
    name: given.name.trim(),
    variables: readVariables(view.part("variables")),
    ...(given.project_id && { project_id: given.project_id }),
    ...appliedCoupon(),
  };
  // An example knows its source; naming it would only repeat what the catalogue says.
  if (!view.example) order.source = source();
  Object.assign(order, healthOf(given));
  const { deployment_id: deployment } = await post("/orders", order);
  forgetKey();
  await navigate(`/deployments/${deployment}`);
}

export const actions = {
  ...healthActions,
  ...variableActions,
  ...accessActions,
  ...quoteActions,
  "order.template": (input) => fillSource(view.templates.find(({ id }) => id === input.value)),
  "order.kind": (input) => choose(input.value),
  "order.check": checkImage,
  "order.name": (input) => {
    const name = input.value.trim();
    fieldError(view.form, "name", nameProblem(name));
    previewAddress();
  },
  // Half an address is no mistake yet: only what was said to be wrong is looked at again.
  "order.repository": (input) => {
    if (input.getAttribute("aria-invalid") === "true") fieldError(view.form, input.name, checkRepository(input));
    showAccess();
  },
  "order.submit": async (form) => {
    check(form);
    if (!complete(form) || !(view.example || (kind() === "git" ? accessComplete() : otherComplete())) || !(await couponChecked())) return;
    await submit(form, () => send(form));
  },
};
