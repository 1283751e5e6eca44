/** What the pages about payments share: their words for states, gateways and refusals. */

import { html } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";

const TONES = {
  accepted: "queued",
  pending: "active",
  requires_action: "pending",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  review: "pending",
};

export const isOpen = ({ state }) => ["accepted", "pending", "requires_action"].includes(state);

export const stateBadge = ({ state }, words = t(`payments.state.${state}`)) => html`<span class="badge" data-state="${TONES[state]}">${words}</span>`;

export const gatewayName = (name) => t(`payments.gateway.${name}`);

/** The way to pay first: a card's or a transfer's own name alone says nothing. */
export const paidWith = ({ gateway, method }) => (method ? `${gatewayName(gateway)} · ${method}` : gatewayName(gateway));

/** Why a payment failed, in words; gateways know many reasons, and what all others have in common is said of them. */
export const refusal = (code) => known(`payments.failure.${code}`, t("payments.failure.other"));

const capital = (word) => word[0].toUpperCase() + word.slice(1);

export const methodWords = ({ brand, kind, last4 }) => `${capital(brand || kind)}${last4 ? ` •• ${last4}` : ""}`;

export const fact = (name, value) => value && html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
