/** A row of tabs that are pages of their own, on a page that has the style `work`. */

import { html, render } from "/js/core/dom.js";

/**
 * Fills `row`, a `<nav class="tabs">`.
 * @param {{path:string, label:string}[]} tabs the one whose path is the address is the open one
 */
export function tabBar(row, label, tabs) {
  const here = location.pathname.replace(/\/$/, "");
  row.setAttribute("aria-label", label);
  render(
    row,
    tabs.map(({ path, label: name }) => html`<a href="${path}" ${here === path && html`aria-current="page"`}>${name}</a>`),
  );
  // On a narrow screen the row scrolls: the tab one is at must not lie beyond its edge.
  const open = row.querySelector("[aria-current]");
  if (open) row.scrollLeft = open.offsetLeft - row.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;
}
