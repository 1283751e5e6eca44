/** What differs between two releases of a service: settings by value, variables and secret files by name. */

import { get } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { list, setting } from "/js/shared/rollback.js";

const CHANGES = { added: "diff.added", removed: "diff.removed", changed: "diff.changed" };

const named = ({ name, change }) => html`<li><code>${name}</code> <span class="muted">${t(CHANGES[change])}</span></li>`;

const differences = ({ settings, variables, files }) =>
  settings.length + variables.length + files.length === 0
    ? html`<p>${t("diff.same")}</p>`
    : html`${list(t("diff.settings"), settings, setting)}${list(t("diff.variables"), variables, named)}${list(t("diff.files"), files, named)}`;

const choice = (items, chosen) =>
  items.map(({ id, number }) => html`<option value="${id}" ${id === chosen && html`selected`}>${t("deployment.short", { number })}</option>`);

const picker = (name, items, chosen) => html`<div class="field"><label for="diff-${name}">${t(`diff.${name}`)}</label>
  <select class="input" id="diff-${name}" name="${name}" data-action="diff.compare" data-testid="diff-${name}">${choice(items, chosen)}</select></div>`;

/** Two releases to choose from `items`, newest first. */
export function diffPart(items) {
  if (items.length < 2) return null;
  return html`<details class="card" data-testid="diff"><summary>${t("diff.title")}</summary>
    <form class="stack" data-part="diff-form"><div class="row">
      ${picker("before", items, items[1].id)}${picker("after", items, items[0].id)}</div>
      <div><button class="button" type="button" data-action="diff.compare">${t("diff.compare")}</button></div>
      <div class="stack" data-part="diff-result" data-testid="diff-result" aria-live="polite"></div></form></details>`;
}

export const diffActions = {
  "diff.compare": async (element) => {
    const form = element.closest("form");
    const { before, after } = Object.fromEntries(new FormData(form));
    const found = await get(`/deployments/${after}/changes`, { against: before });
    render(form.querySelector("[data-part=diff-result]"), differences(found));
  },
};
