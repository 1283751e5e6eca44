/** Bringing a kept release back: who may, what it would change, and asking for it. */

import { get, post } from "/js/core/api.js";
import { navigate } from "/js/core/app.js";
import { html } from "/js/core/dom.js";
import { loadTexts, t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { mayDeploy } from "/js/shared/may.js";

/** What the buttons and the question say; pages with a button wait for it. */
export const rollbackTexts = () => loadTexts("releases");

/** One that went live stays so in its record; who looks at it wants to know whether it still serves. */
export const stateOf = ({ id, state, is_live: serves }, service) =>
  state === "live" && !serves && service?.live_deployment && service.live_deployment.id !== id ? "replaced" : state;

export const mayRollBack = (deployment, service) => deployment.can_roll_back && mayDeploy(service);

/** What the action below needs to know, as attributes of the button. */
export const rollbackData = ({ id, number, service_id: service }) =>
  html`data-action="rollback.ask" data-release="${id}" data-number="${number}" data-service="${service}" data-testid="roll-back-${number}"`;

const shown = (name, value) => {
  if (name === "health_kind" && value) return t(`order.health_${value}`);
  return html`<code>${name === "commit" ? value?.slice(0, 7) : value || t("releases.none")}</code>`;
};

export const setting = ({ name, before, after }) =>
  html`<li>${t(`releases.setting.${name}`)}: ${shown(name, before)} → ${shown(name, after)}</li>`;

const variable = ({ name, change }) => html`<li><code>${name}</code> <span class="muted">${t(`releases.variable.${change}`)}</span></li>`;

export const list = (title, items, row) =>
  items.length > 0 && html`<div class="stack tight"><h3>${title}</h3><ul>${items.map(row)}</ul></div>`;

function question({ settings, variables, unlike_service: unlike, files }) {
  const same = !settings.length && !variables.length && !files.length;
  return html`<div class="stack" data-testid="changes">
    ${same && html`<p>${t("releases.no_changes")}</p>`}
    ${list(t("releases.settings"), settings, setting)}
    ${list(t("releases.variables"), variables, variable)}
    ${list(t("releases.files"), files, variable)}
    ${unlike.length > 0 && html`<p class="hint">${t("releases.settings_stay", { names: unlike.map(({ name }) => name).join(", ") })}</p>`}</div>`;
}

export const rollbackAction = {
  "rollback.ask": async ({ dataset }) => {
    const { release, number, service } = dataset;
    const changes = await get(`/deployments/${release}/changes`);
    const sure = await ask({
      title: t("releases.title", { number }),
      text: t("releases.text"),
      details: question(changes),
      confirm: t("releases.confirm"),
      harmless: true,
    });
    if (!sure) return;
    const { deployment_id: deployment } = await post(`/services/${service}/rollbacks`, { deployment_id: release });
    await navigate(`/deployments/${deployment}`);
  },
};
