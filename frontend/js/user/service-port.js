/** A service's port that is open to the outside past HTTP: shown, opened at a price, closed. */

import { get, post, remove } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";
import { ask } from "/js/shared/dialog.js";
import { money } from "/js/shared/money.js";
import { toast } from "/js/shared/toast.js";

let view = null;

const costs = ({ price }) => (price ? t("port.costs", { amount: money(price.month_minor, price.currency) }) : "");

const isOpen = ({ address }) => html`<div class="row"><code class="address" data-testid="public-address">${address}</code>
    <button class="icon-button" type="button" data-action="domains.copy" data-value="${address}" aria-label="${t("port.copy")}">${icon("copy")}</button></div>
  <p class="hint">${t("port.stays")}</p>
  ${view.may && html`<div><button class="button danger" type="button" data-action="port.close" data-testid="close-port">${icon("trash")}${t("port.close")}</button></div>`}`;

const isClosed = () => html`<p class="hint">${costs(view.found)}</p>
  <div><button class="button" type="button" data-action="port.open" data-testid="open-port">${icon("plus")}${t("port.open")}</button></div>`;

function draw() {
  const { found, place, may } = view;
  const seen = found.opened || (found.supported && may);
  render(
    place,
    seen &&
      html`<section class="card stack" data-testid="public-port"><h2>${t("port.title")}</h2><p>${t("port.text")}</p>
        ${found.opened ? isOpen(found.opened) : isClosed()}</section>`,
  );
}

/** Draws into `place`, if the service has or may have one. */
export async function showPort(place, service, may, signal) {
  const path = `/services/${service.id}/public-port`;
  view = { path, place, may, found: await get(path, {}, signal) };
  draw();
}

async function refresh() {
  view.found = await get(view.path);
  draw();
}

export const portActions = {
  "port.open": async () => {
    const sure = await ask({ title: t("port.open_title"), text: `${t("port.open_text")} ${costs(view.found)}`, confirm: t("port.open"), harmless: true });
    if (!sure) return;
    await post(view.path);
    await refresh();
    toast(t("port.opened"));
  },
  "port.close": async () => {
    const sure = await ask({ title: t("port.close_title"), text: t("port.close_text"), confirm: t("port.close") });
    if (!sure) return;
    await remove(view.path);
    await refresh();
    toast(t("port.closed"));
  },
};
