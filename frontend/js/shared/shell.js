/** The shell's own actions: the off-canvas menu, the project, the theme, the language. */

import { chooseProject } from "/js/core/api.js";
import { setLanguage, setTheme, showAnew } from "/js/core/app.js";

const element = (id) => document.getElementById(id);

function setMenu(open) {
  element("sidebar").classList.toggle("open", open);
  element("burger").setAttribute("aria-expanded", String(open));
  // While the menu lies over the page, focus must not leave it.
  element("column").inert = open;
  document.querySelector(".skip").inert = open;
  if (open) element("sidebar").querySelector("button").focus();
}

// Links inside the menu and growing beyond the breakpoint close it as well.
new MutationObserver(() => {
  const open = element("sidebar").classList.contains("open");
  if (!open && element("column").inert) setMenu(false);
}).observe(element("sidebar"), { attributeFilter: ["class"] });
matchMedia("(min-width: 56rem)").addEventListener("change", ({ matches }) => matches && setMenu(false));

export const actions = {
  "menu.open": () => setMenu(true),
  "menu.close": () => {
    if (!element("sidebar").classList.contains("open")) return;
    setMenu(false);
    element("burger").focus();
  },
  "project.choose": (choice) => {
    chooseProject(choice.value);
    return showAnew();
  },
  "theme.set": (input) => setTheme(input.value),
  "language.set": async (input) => {
    const { keepDrafts } = await import("/js/shared/drafts.js");
    const restore = await keepDrafts(element("content"));
    await setLanguage(input.value);
    restore();
  },
};
