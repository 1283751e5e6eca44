/** What happened to a service, newest first. */

import { get } from "/js/core/api.js";
import { html, since } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { inShort } from "/js/shared/reasons.js";

const TONES = { live: "succeeded", recovered: "succeeded", failed: "failed", crashed: "failed", exited: "failed" };

export const reasonOfEvent = ({ reason, reason_code: code, reason_parameters: parameters }) => (reason ? inShort({ code, message: reason, parameters }) : "");

const row = (event) => html`<li class="event" data-key="${event.id}" data-testid="event">
  <span class="tag" data-state="${TONES[event.kind] ?? "idle"}">${known(`event.${event.kind}`, event.kind)}</span>
  <span class="event-text">${event.process && html`<code>${event.process}.${event.replica}</code> `}${reasonOfEvent(event)}
    ${event.deployment_id && !event.process && html`<a href="/deployments/${event.deployment_id}">${t("event.deployment")}</a>`}</span>
  <span class="hint">${since(event.at)}</span></li>`;

export const timeline = (events) => html`<ol class="events" data-testid="events">${events.map(row)}</ol>`;

export const newestEvents = (service, size, signal) => get(`/services/${service.id}/events`, { size }, signal).then(({ items }) => items);
