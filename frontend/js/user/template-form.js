/** What a template asks for, and what it makes. */

import { html } from "/js/core/dom.js";
import { localised, t } from "/js/core/i18n.js";
import { price } from "/js/shared/plans.js";

const key = (name) => `parameters.${name}`;
const helpOf = (one) => one.help && html`<p class="hint" id="p-${one.name}-help">${localised(one.help)}</p>`;
const described = (one) => one.help && html`aria-describedby="p-${one.name}-help"`;
const optional = (one) => !one.required && one.default === null && html` <span class="muted">${t("form.optional")}</span>`;

function control(one) {
  const id = `p-${one.name}`;
  if (one.type === "choice")
    return html`<select class="input" id="${id}" name="${key(one.name)}" ${described(one)}>${one.choices.map(
      ({ value, title }) => html`<option value="${value}" ${value === one.default && html`selected`}>${localised(title)}</option>`,
    )}</select>`;
  if (one.type === "number")
    return html`<input class="input" id="${id}" name="${key(one.name)}" type="number" min="${one.minimum}" max="${one.maximum}" step="1" value="${one.default ?? ""}" ${one.required && html`required`} ${described(one)} data-action="catalogue.quote">`;
  const type = { secret: "password", email: "email" }[one.type] ?? "text";
  return html`<input class="input" id="${id}" name="${key(one.name)}" type="${type}" maxlength="${one.max_length}" ${one.pattern && html`pattern="${one.pattern}"`}
    value="${one.default ?? ""}" autocomplete="${type === "password" ? "new-password" : "off"}" spellcheck="false" ${one.required && html`required`} ${described(one)}>`;
}

export const field = (one) =>
  one.type === "boolean"
    ? html`<div class="field"><label class="check"><input type="checkbox" name="${key(one.name)}" ${one.default && html`checked`}> ${localised(one.title)}</label>${helpOf(one)}</div>`
    : html`<div class="field"><label for="p-${one.name}">${localised(one.title)}${optional(one)}</label>${control(one)}${helpOf(one)}</div>`;

/** Parameters as the API takes them; an empty field is left to its default. */
export function given(form, parameters) {
  const found = {};
  for (const { name, type } of parameters) {
    const input = form.elements[key(name)];
    if (type === "boolean") found[name] = input.checked;
    else if (input.value !== "") found[name] = type === "number" ? Number(input.value) : input.value;
  }
  return found;
}

/** One service of a template, with the plans that are large enough. */
export function piece(service, plans) {
  const least = plans.find(({ id }) => id === service.plan_id);
  const fit = plans.filter((plan) => !least || plan.memory_bytes >= least.memory_bytes);
  return html`<li class="stack tight" data-testid="part-${service.part}"><div class="row"><strong>${localised(service.title)}</strong>
      <span class="tag" data-state="role">${t(service.public ? "stacks.public" : "stacks.private")}</span></div>
    <span class="hint mono">${service.image ?? t("stacks.example", { name: service.example })}</span>
    ${service.volumes.map((volume) => html`<span class="hint">${t("stacks.volume", { path: volume.path, size: volume.size_gib })}</span>`)}
    <div class="field"><label for="plan-${service.part}">${t("stacks.plan")}</label>
      <select class="input" id="plan-${service.part}" name="plans.${service.part}" data-action="catalogue.quote">${fit.map(
        (plan) => html`<option value="${plan.id}">${localised(plan.title)} · ${price(plan)}</option>`,
      )}</select></div></li>`;
}
