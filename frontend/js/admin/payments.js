/** Everyone's payments, the lines of bank statements and what gateways sent: three lists of one page. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, pages, render, scene } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { adminBillingTabs } from "/js/shared/admin-billing-tabs.js";
import { gatewayName } from "/js/shared/payment-parts.js";
import { toast } from "/js/shared/toast.js";
import { actions as bankActions, lines } from "/js/admin/bank-lines.js";
import { actions as messageActions, messages } from "/js/admin/gateway-messages.js";
import { actions as paymentActions, enter, payments } from "/js/admin/payment-list.js";
import { choiceActions } from "/js/admin/project-choice.js";

const SECONDS = 10;
const VIEWS = { payments, bank: lines, messages };
let view = null;

const choices = (field, all, options) => {
  field.replaceChildren(new Option(all, ""), ...options.map(([value, label]) => new Option(label, value)));
};

const shownIn = () => VIEWS[view.filters.view];

function show({ items, next }) {
  const { table, empty } = shownIn();
  const nothing = html`<div class="card state">${scene("calm")}<h2>${t(empty)}</h2></div>`;
  view.items = items;
  render(view.part("list"), items.length ? table(items) : nothing);
  view.part("more").hidden = !next;
}

function toolbar() {
  const field = (name) => view.root.querySelector(`[name=${name}]`);
  const { states, words } = shownIn();
  choices(field("state"), t("payments.admin.any_state"), states.map((state) => [state, t(`${words}.${state}`)]));
  field("gateway").hidden = view.filters.view !== "payments";
  for (const [name, value] of Object.entries(view.filters)) field(name).value = value;
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  adminBillingTabs(root);
  const chosen = query.view in VIEWS ? query.view : "payments";
  view = { root, part, items: [], filters: { view: chosen, state: query.state ?? "", gateway: query.gateway ?? "" } };
  const load = (page) => {
    const { view: which, state, gateway } = view.filters;
    return get(shownIn().path, { state, ...(which === "payments" && { gateway }), ...page }, signal);
  };
  view.list = pages({ load, show, signal, seconds: SECONDS });
  const gateways = ["stripe", "yookassa", "bank_transfer", "manual"];
  choices(root.querySelector("[name=gateway]"), t("payments.admin.any_gateway"), gateways.map((name) => [name, gatewayName(name)]));
  toolbar();
  await view.list.reload();
  // Led here from a customer's page; the question stays open while the page is there already.
  if (query.enter) enterFor(query.enter, signal).catch((error) => error.name !== "AbortError" && toast(error.message, "bad"));
}

async function enterFor(id, signal) {
  noteInAddress({ enter: "" });
  const { project_name: name, currency } = await get(`/admin/billing/projects/${id}/terms`, {}, signal);
  await enter(changed, { id, name, currency });
}

const found = ({ dataset }) => view.items.find(({ id }) => id === dataset.id);
const changed = () => view.list.refresh();
const bound = (actions) =>
  Object.fromEntries(Object.entries(actions).map(([name, run]) => [name, (element) => run(found(element), changed, element)]));

export const actions = {
  ...bound({ ...paymentActions, ...bankActions, ...messageActions }),
  ...choiceActions,
  "adminpay.view": (field) => {
    view.filters = { view: field.value, state: "", gateway: "" };
    noteInAddress(view.filters);
    toolbar();
    return view.list.reload();
  },
  "adminpay.filter": (field) => {
    view.filters[field.name] = field.value;
    noteInAddress(view.filters);
    return view.list.reload();
  },
  "adminpay.more": () => view.list.more(),
};
