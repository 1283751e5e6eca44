/** A service's environment variables; their stored values never come back from the server. */

import { get, post, replace } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { submit } from "/js/shared/form.js";
import { toast } from "/js/shared/toast.js";
import { readVariables, variableActions, variablesEditor } from "/js/shared/variables.js";

let view = null;

export async function open(root, { service, signal, asked }) {
  const { items } = await get(`/services/${service.id}/variables`, {}, signal);
  render(
    root,
    html`<form class="card stack" data-action="service_variables.save" data-testid="variables-form" novalidate>
      <h2>${t("variables.title")}</h2><p class="hint">${t("variables.hint")}</p>
      <div class="callout" data-tone="bad" role="alert" data-form-error hidden></div>
      <div data-editor></div>
      <p class="hint">${t("variables.effect")}</p>
      <div class="row"><button class="button primary" type="submit">${t("form.save")}</button>
        <button class="button" type="button" data-action="service_variables.redeploy" data-testid="save-and-redeploy">${t("variables.save_and_redeploy")}</button></div>
    </form>`,
  );
  view = { id: service.id, asked, form: root.querySelector("form"), editor: root.querySelector("[data-editor]") };
  variablesEditor(view.editor, items);
}

async function save() {
  const { items } = await replace(`/services/${view.id}/variables`, { variables: readVariables(view.editor) });
  variablesEditor(view.editor, []);
  variablesEditor(view.editor, items);
  toast(t("variables.saved"));
}

/** A stored value comes from the server, which wants to know who asks and writes it down. */
async function reveal(button, event) {
  const field = button.parentElement.querySelector("[data-value]");
  const { stored } = button.closest("[data-row]").dataset;
  if (stored !== undefined && field.value === "" && field.type === "password") {
    const { value } = await post(`/services/${view.id}/variables/reveal`, { name: stored });
    field.value = value;
  }
  variableActions["variables.reveal"](button, event);
}

export const actions = {
  ...variableActions,
  "variables.reveal": reveal,
  "service_variables.save": (form) => submit(form, save),
  "service_variables.redeploy": () =>
    submit(view.form, async () => {
      await save();
      await post(`/services/${view.id}/deployments`);
      await view.asked();
    }),
};
