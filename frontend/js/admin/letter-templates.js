/** What each letter looks like, filled with examples. */

import { get } from "/js/core/api.js";
import { noteInAddress } from "/js/core/app.js";
import { html, render } from "/js/core/dom.js";
import { currentLanguage, known, t } from "/js/core/i18n.js";

const DARK = "(prefers-color-scheme: dark)";
let view = null;

/** Frames ask the system; this one follows the theme that the person has chosen for the panel. */
function inTheme(rules) {
  const { theme } = document.documentElement.dataset;
  const dark = theme ? theme === "dark" : matchMedia(DARK).matches;
  return rules.replace(DARK, dark ? "all" : "not all");
}

/**
 * Shows a letter in a frame of its own, where no script runs. The panel's policy, which the frame shares,
 * forbids styles inside markup; so they are taken out of the letter and put on by the style objects,
 * which it allows. Links lead nowhere and show their address instead.
 */
function showLetter(frame, letter) {
  const sheets = [];
  const body = letter
    .replace(/<(style)>([^]*?)<\/\1>/g, (_, tag, rules) => (sheets.push(rules), ""))
    .replace(/ (style|href)="/g, (_, name) => (name === "style" ? ' data-look="' : ' title="'));
  const fit = () => {
    const page = frame.contentDocument?.documentElement;
    if (page) frame.style.height = `${page.getBoundingClientRect().height}px`;
  };
  frame.addEventListener("load", () => {
    const page = frame.contentDocument;
    for (const element of page.querySelectorAll("[data-look]")) element.style.cssText = element.dataset.look;
    page.adoptedStyleSheets = sheets.map((rules) => {
      const sheet = new frame.contentWindow.CSSStyleSheet();
      sheet.replaceSync(inTheme(rules));
      return sheet;
    });
    new ResizeObserver(fit).observe(page.documentElement);
    new ResizeObserver(fit).observe(frame);
  });
  frame.srcdoc = body;
}

function show({ subject, text, html: letter }) {
  const asText = view.chosen.form === "text" || !letter;
  render(
    view.part("preview"),
    html`${subject && html`<h2><span class="unseen">${t("letters.subject")}</span>${subject}</h2>`}
      ${asText ? html`<pre class="letter-text" tabindex="0" data-key="text">${text}</pre>` : html`<iframe class="letter-frame" sandbox="allow-same-origin" title="${subject}" data-key="${view.shown}" data-keep></iframe>`}`,
  );
  const frame = view.part("preview").querySelector("iframe");
  if (frame) showLetter(frame, letter);
}

async function load() {
  const { template, locale, form } = view.chosen;
  const wanted = `${template} ${locale} ${form}`;
  view.shown = wanted;
  const rendered = await get(`/admin/letter-templates/${template}`, { locale }, view.signal);
  if (view.shown === wanted) show(rendered);
}

export async function mount(root, { query, signal }) {
  const part = (which) => root.querySelector(`[data-part=${which}]`);
  const { items } = await get("/admin/letter-templates", {}, signal);
  const names = items.map(({ name }) => name);
  const chosen = {
    template: names.includes(query.template) ? query.template : names[0],
    locale: ["en", "ru"].includes(query.locale) ? query.locale : currentLanguage(),
    form: query.form === "text" ? "text" : "html",
  };
  view = { part, chosen, signal, shown: "" };
  root.querySelector("[name=template]").append(...names.map((name) => new Option(known(`letters.name.${name}`, name), name)));
  for (const name of ["template", "locale"]) root.querySelector(`[name=${name}]`).value = chosen[name];
  root.querySelector(`[name=form][value=${chosen.form}]`).checked = true;
  await load();
}

export const actions = {
  "templates.choose": (field) => {
    view.chosen[field.name] = field.value;
    noteInAddress(view.chosen);
    return load();
  },
};
