"""What must hold of every page of the panel, whatever it shows: it fits the screen and can be read aloud."""

from __future__ import annotations

from playwright.async_api import Page

HEIGHTS = {320: 640, 360: 740, 768: 1024, 1440: 900}
"""Screens by their width: the narrowest that WCAG's reflow asks for, a phone, a tablet, a desk."""

_FITS = """
() => {
  const root = document.documentElement;
  const width = root.clientWidth;
  const found = [];
  const words = (node) => node.textContent.trim().slice(0, 40);
  const describe = (node) => `${node.tagName.toLowerCase()}.${node.className} "${words(node)}"`;
  if (root.scrollWidth > width) found.push(`the page is ${root.scrollWidth} px wide`);
  // What scrolls or ends in an ellipsis holds its own excess, and `.unseen` is for screen readers.
  const contained = (node) => {
    for (let at = node.parentElement; at && at !== document.body; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== "visible") return true;
    }
    return false;
  };
  const worded = "button, .button, .badge, .tag, h1, h2, legend, label";
  const places = ":is(#content, .topbar, .sidebar, .account-menu, dialog) *";
  for (const node of document.querySelectorAll(places)) {
    if (!node.checkVisibility({ visibilityProperty: true }) || node.closest(".unseen")) continue;
    const box = node.getBoundingClientRect();
    if ((box.right > width + 1 || box.left < -1) && !contained(node)) {
      found.push(`${describe(node)} reaches from ${Math.round(box.left)} to ${Math.round(box.right)} px`);
    }
    const excess = node.scrollWidth - node.clientWidth;
    if (node.matches(worded) && excess > 1 && getComputedStyle(node).display !== "inline") {
      found.push(`${describe(node)} cuts ${excess} px off what it says`);
    }
  }
  return found;
}
"""

_READS = """
(language) => {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());
  const describe = (node) => node.outerHTML.replace(/\\s+/g, " ").slice(0, 110);
  const words = (node) => {
    const copy = node.cloneNode(true);
    for (const silent of copy.querySelectorAll("[aria-hidden=true]")) silent.remove();
    const image = node.querySelector("img[alt]:not([alt=''])");
    return copy.textContent.trim() || image?.alt || "";
  };
  const named = (node) => {
    const ids = (node.getAttribute("aria-labelledby") ?? "").split(" ");
    const by = ids.map((id) => document.getElementById(id)?.textContent.trim() ?? "").join("");
    return node.getAttribute("aria-label")?.trim() || by || words(node) || node.title;
  };
  for (const node of all("input:not([type=hidden]), select, textarea")) {
    const labels = [...(node.labels ?? [])].map(words).join("");
    if (!labels && !node.getAttribute("aria-label")?.trim()) found.push(`no label: ${describe(node)}`);
  }
  for (const node of all("button, a[href], summary, [role=button]")) {
    if (!named(node)) found.push(`no name: ${describe(node)}`);
  }
  for (const node of all("img:not([alt])")) found.push(`no alt: ${describe(node)}`);
  for (const node of all("dialog, nav, progress, [role=log], [role=search] select")) {
    if (!named(node)) found.push(`no name: ${describe(node)}`);
  }
  const headings = all("h1, h2, h3, h4").filter((node) => !node.closest("[aria-hidden=true]"));
  const first = headings.filter((node) => node.matches("h1"));
  if (first.length !== 1) found.push(`${first.length} h1 are seen`);
  headings.reduce((before, node) => {
    const level = Number(node.tagName[1]);
    if (level > before + 1) found.push(`h${level} after h${before}: ${describe(node)}`);
    return level;
  }, 0);
  if (document.documentElement.lang !== language) found.push(`lang is ${document.documentElement.lang}`);
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  if (twice.length) found.push(`ids given twice: ${twice}`);
  for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls", "for"]) {
    for (const node of all(`[${attribute}]`)) {
      for (const id of node.getAttribute(attribute).split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) found.push(`${attribute} names nothing: ${describe(node)}`);
      }
    }
  }
  for (const node of all("[data-t]")) {
    if (!node.textContent || node.textContent === node.dataset.t) found.push(`no text: ${describe(node)}`);
  }
  for (const node of all("[tabindex]")) {
    if (node.tabIndex > 0) found.push(`jumps the queue: ${describe(node)}`);
  }
  if (!/^.+ · Gavan$/.test(document.title)) found.push(`title: ${document.title}`);
  if (/\\b(undefined|NaN|null)\\b|\\[object /.test(document.getElementById("content").innerText)) {
    found.push("something is not filled in");
  }
  return found;
}
"""


async def misfits(page: Page, width: int) -> list[str]:
    """What does not fit a window of this width."""
    await page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    found: list[str] = await page.evaluate(_FITS)
    return [f"{width} px: {one}" for one in found]


async def unreadable(page: Page, language: str) -> list[str]:
    """What a screen reader would miss: labels, names, the heading, the language."""
    found: list[str] = await page.evaluate(_READS, language)
    return found
