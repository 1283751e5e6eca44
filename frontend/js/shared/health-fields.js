/** What a new release is asked before it serves: a path, its port, or a command inside of it. */

import { html } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

const KINDS = ["http", "tcp", "command"];

const only = (kind, chosen, inner) => html`<div class="field" data-health="${kind}" ${kind !== chosen && html`hidden`}>${inner(kind !== chosen && html`disabled`)}</div>`;

export const healthFields = ({ health_kind: chosen, health_path: path, health_command: command, health_timeout_seconds: seconds }) => html`<div class="pair">
    <div class="field"><label for="health_kind">${t("order.health_kind")}</label>
      <select class="input" id="health_kind" name="health_kind" data-action="health.kind" aria-describedby="health-kind-hint">${KINDS.map(
        (kind) => html`<option value="${kind}" ${kind === chosen && html`selected`}>${t(`order.health_${kind}`)}</option>`,
      )}</select>
      <p class="hint" id="health-kind-hint">${t("order.health_kind_hint")}</p></div>
    <div class="field"><label for="health_timeout_seconds">${t("order.health_timeout")} <span class="muted">${t("form.optional")}</span></label>
      <input class="input" id="health_timeout_seconds" name="health_timeout_seconds" type="number" inputmode="numeric" min="5" max="900" value="${seconds ?? ""}" aria-describedby="health-timeout-hint">
      <p class="hint" id="health-timeout-hint">${t("order.health_timeout_hint")}</p></div>
  </div>
  ${only("http", chosen, (off) => html`<label for="health_path">${t("order.health_path")}</label>
    <input class="input mono" id="health_path" name="health_path" maxlength="200" pattern="/.*" value="${path ?? ""}" placeholder="/" autocomplete="off" spellcheck="false" aria-describedby="health-hint" ${off}>
    <p class="hint" id="health-hint">${t("order.health_hint")}</p>`)}
  ${only("command", chosen, (off) => html`<label for="health_command">${t("order.health_run")}</label>
    <textarea class="input mono" id="health_command" name="health_command" rows="2" maxlength="1000" required placeholder="python manage.py check" autocomplete="off" spellcheck="false" aria-describedby="health-command-hint" ${off}>${command ?? ""}</textarea>
    <p class="hint" id="health-command-hint">${t("order.health_command_hint")}</p>`)}`;

/** As the API takes it; what the chosen kind does not ask for stays as it is. */
export const healthOf = ({ health_kind: kind, health_path: path, health_command: command, health_timeout_seconds: seconds }) => ({
  health_kind: kind,
  ...(kind === "http" && { health_path: path.trim() || "/" }),
  ...(kind === "command" && { health_command: command.trim() }),
  health_timeout_seconds: seconds ? Number(seconds) : null,
});

/** For people, in a word and what it is about. */
export const healthSaid = ({ health_kind: kind, health_path: path, health_command: command }) =>
  html`${t(`order.health_${kind}`)}${kind === "http" && html` <code>${path}</code>`}${kind === "command" && html` <code>${command}</code>`}`;

export const healthActions = {
  "health.kind": ({ form, value }) => {
    for (const field of form.querySelectorAll("[data-health]")) {
      field.hidden = field.dataset.health !== value;
      for (const input of field.querySelectorAll("input, textarea")) input.disabled = field.hidden;
    }
  },
};
