/** The statement of a project's account: each time that its money moved. */

import { get } from "/js/core/api.js";
import { html, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { billingTabs } from "/js/shared/billing-tabs.js";
import { amount } from "/js/shared/money.js";
import { postings } from "/js/shared/postings.js";

let view = null;

const line = (name, minor, currency) =>
  html`<div><dt>${t(`ledger.fact.${name}`)}</dt><dd data-testid="${name}">${amount(minor, currency)}</dd></div>`;

const facts = ({ currency, balance, held, due, credit_limit: limit, available }) => html`<dl class="facts card">
  ${line("balance", balance, currency)}${line("available", available, currency)}
  ${held !== 0 && line("held", held, currency)}${due !== 0 && line("due", due, currency)}
  ${limit !== 0 && line("credit_limit", limit, currency)}</dl>`;

export async function mount(root, { query, signal }) {
  const project = billingTabs(root);
  if (!project) return void (root.querySelector("[data-part=statement]").hidden = true);
  const path = `/projects/${project.id}/billing`;
  view = postings(root, { path: `${path}/entries`, query, signal });
  const [{ standings }] = await Promise.all([get(`${path}/balance`, {}, signal), view.list.reload()]);
  render(root.querySelector("[data-part=standings]"), standings.map(facts));
}

export const actions = {
  "postings.filter": (field) => view.filter(field),
  "postings.more": () => view.list.more(),
  "postings.save": (button) => view.save(button),
};
