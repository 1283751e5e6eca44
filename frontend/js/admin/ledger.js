/** The ledger as the operator sees it: accounts, customers, proposals for manual entries, and how money moved. */

import { get, post, profile } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, since } from "/js/core/dom.js";
import { known, t } from "/js/core/i18n.js";
import { found, named } from "/js/admin/project-choice.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";
import { amount } from "/js/shared/money.js";
import { postings } from "/js/shared/postings.js";
import { toast } from "/js/shared/toast.js";
import { vatWords } from "/js/shared/vat-words.js";

const PATH = "/admin/billing/ledger";
let view = null;

const mayWrite = () => (profile()?.permissions ?? []).includes("admin:billing_write");

const accountName = ({ owner, kind, name }) => {
  const said = t(`ledger.account.${owner}.${kind}`);
  return name ? `${said}: ${known(`ledger.gateway.${name}`, name)}` : said;
};

const accountRow = (account) => html`<li class="grid-row account-row" data-key="${account.currency}-${account.owner}-${account.kind}-${account.name}">
  <div><strong>${accountName(account)}</strong></div>
  <div class="sum">${amount(account.balance, account.currency)}</div>
  <div class="hint">${account.verified_at && html`${t("ledger.verified")} ${since(account.verified_at)}`}</div></li>`;

const accounts = (items) =>
  items.length
    ? html`<div class="grid-list"><ul>${items.map(accountRow)}</ul></div>`
    : html`<p class="muted">${t("ledger.no_accounts")}</p>`;

const customerRow = (one) => html`<li class="grid-row posting-row" data-key="${one.id}" data-testid="customer">
  <div><a class="row-name" href="${location.pathname}?project_id=${one.project.id}">${one.project.name}</a></div>
  <div class="sum">${amount(one.balance, one.currency)}</div>
  <div class="stack tight">${one.held !== 0 && html`<span class="hint">${t("ledger.has.held", { amount: amount(one.held, one.currency) })}</span>`}
    ${one.due !== 0 && html`<span class="hint bad">${t("ledger.has.due", { amount: amount(one.due, one.currency) })}</span>`}
    ${one.credit_limit_minor !== null && html`<span class="hint">${t("ledger.has.credit_limit", { amount: amount(one.credit_limit_minor, one.currency) })}</span>`}</div>
  <div class="hint">${since(one.created_at)}</div></li>`;

const customers = (items) =>
  items.length
    ? html`<div class="grid-list"><ul>${items.map(customerRow)}</ul></div>`
    : html`<p class="muted">${t(view.owing ? "ledger.nobody_owes" : "ledger.no_customers")}</p>`;

async function find({ value }) {
  const mine = (view.asked = (view.asked ?? 0) + 1);
  const items = await found(value, view.signal);
  if (mine !== view.asked) return;
  const links = html`<ul class="stack tight">${items.map((one) => html`<li data-key="${one.id}"><a href="${location.pathname}?project_id=${one.id}">${named(one)}</a></li>`)}</ul>`;
  render(view.part("found"), value.trim() && (items.length ? links : html`<p class="muted">${t("payments.admin.found_projects", { count: 0 })}</p>`));
}

const decisions = (one) =>
  mayWrite() &&
  html`<div class="row">${one.proposed_by?.id !== profile().id && html`<button class="button small primary" type="button" data-action="proposal.approve" data-id="${one.id}">${t("ledger.approve")}</button>`}
    <button class="button small" type="button" data-action="proposal.refuse" data-id="${one.id}">${t(one.proposed_by?.id === profile().id ? "ledger.take_back" : "ledger.refuse")}</button></div>`;

const proposalRow = (one) => html`<li class="grid-row posting-row" data-key="${one.id}" data-testid="proposal">
  <div><strong class="reason">${one.reason}</strong><a class="row-link" href="${location.pathname}?project_id=${one.project.id}">${one.project.name}</a>
    <span class="hint">${t("ledger.proposed_by", { who: one.proposed_by?.email ?? "—" })}</span></div>
  <div class="sum"><strong>${amount(one.amount, one.currency, { signed: true })}</strong></div>
  <div>${decisions(one)}</div>
  <div class="hint">${since(one.created_at)}</div></li>`;

const project = (terms) => html`<div class="card stack">
  <div class="row between"><h2>${terms.project_name}</h2><a class="button small" href="${location.pathname}">${t("ledger.everyone")}</a></div>
  <dl class="facts">${view.standings.map(
    (one) => html`<div><dt>${t("ledger.fact.balance")}</dt><dd>${amount(one.balance, one.currency)}</dd></div>
      ${one.held !== 0 && html`<div><dt>${t("ledger.fact.held")}</dt><dd>${amount(one.held, one.currency)}</dd></div>`}
      ${one.due !== 0 && html`<div><dt>${t("ledger.fact.due")}</dt><dd>${amount(one.due, one.currency)}</dd></div>`}`,
  )}
    <div><dt>${t("ledger.fact.credit_limit")}</dt><dd>${terms.credit_limit_minor === null ? t("ledger.limit_of_all") : amount(terms.credit_limit_minor, terms.currency)}</dd></div>
    ${terms.country && html`<div><dt>${t("ledger.country")}</dt><dd>${terms.country} ${terms.vat_id_checked ? t("ledger.checked") : t("ledger.unchecked")}</dd></div>`}
    ${terms.vat_id && html`<div><dt>${t("ledger.vat_id")}</dt><dd>${terms.vat_id} ${vatWords(terms).map((words) => html`<span class="hint">${words}</span> `)}</dd></div>`}
    ${terms.tax_exempt && html`<div><dt>${t("ledger.tax")}</dt><dd>${t("ledger.exempt")}</dd></div>`}</dl>
  ${mayWrite() && html`<div class="row"><button class="button" type="button" data-action="ledger.adjust">${t("ledger.adjust")}</button>
    <button class="button" type="button" data-action="ledger.terms">${t("ledger.terms")}</button></div>`}</div>`;

async function showProject() {
  const [terms, { items }] = await Promise.all([
    get(`/admin/billing/projects/${view.project}/terms`, {}, view.signal),
    get(`${PATH}/customers`, { project_id: view.project, size: 100 }, view.signal),
  ]);
  view.terms = terms;
  view.standings = items.length ? items : [{ currency: terms.currency, balance: 0, held: 0, due: 0 }];
  render(view.part("project"), project(terms));
}

async function showProposals() {
  const asked = { state: "proposed", size: 100, project_id: view.project };
  const { items } = await get(`${PATH}/adjustments`, asked, view.signal);
  view.part("proposals-section").hidden = !items.length;
  render(view.part("proposals"), html`<div class="grid-list"><ul>${items.map(proposalRow)}</ul></div>`);
}

const showAccounts = async () => render(view.part("accounts"), accounts((await get(`${PATH}/accounts`, {}, view.signal)).items));

const everything = () => Promise.all([...view.parts.map((show) => show()), view.postings.list.refresh()]);

export async function mount(root, { query, signal }) {
  adminBillingTabs(root);
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  view = { part, signal, project: query.project_id ?? "", owing: Boolean(query.owing) };
  const fixed = view.project ? { project_id: view.project } : {};
  view.postings = postings(root, { path: `${PATH}/entries`, query, fixed, signal });
  view.customers = pages({
    load: (page) => get(`${PATH}/customers`, { owing: view.owing || "", ...page }, signal),
    show: ({ items, next }) => {
      render(part("customers"), customers(items));
      part("more-customers").hidden = !next;
    },
    signal,
    seconds: 30,
  });
  part("project").hidden = !view.project;
  root.querySelector("[name=owing]").checked = view.owing;
  if (view.project) part("overview").remove();
  view.parts = view.project ? [showProject, showProposals] : [showAccounts, showProposals, () => view.customers.refresh()];
  const first = view.project ? view.parts : [showAccounts, showProposals, () => view.customers.reload()];
  await Promise.all([...first.map((show) => show()), view.postings.list.reload()]);
}

const dialogs = () => import("/js/admin/ledger-forms.js");

async function decide({ dataset }, how) {
  await post(`${PATH}/adjustments/${dataset.id}/${how}`);
  toast(t(how === "approve" ? "ledger.posted" : "ledger.refused"));
  await everything();
}

export const actions = {
  "ledger.find": find,
  "postings.filter": (field) => view.postings.filter(field),
  "postings.more": () => view.postings.list.more(),
  "postings.save": (button) => view.postings.save(button),
  "customers.filter": ({ checked }) => {
    view.owing = checked;
    noteInAddress({ owing: checked ? "true" : "" });
    return view.customers.reload();
  },
  "customers.more": () => view.customers.more(),
  "proposal.approve": (button) => decide(button, "approve"),
  "proposal.refuse": (button) => decide(button, "refuse"),
  "ledger.adjust": async () => (await (await dialogs()).adjust(view.terms)) && everything(),
  "ledger.terms": async () => (await (await dialogs()).change(view.terms)) && everything(),
};
