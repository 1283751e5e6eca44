/** Editor of environment variables: rows of name and hidden value; a pasted .env block becomes rows. */

import { html, icon, render } from "/js/core/dom.js";
import { t } from "/js/core/i18n.js";

const LINE = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"((?:[^"\\]|\\[^])*)"|'([^']*)'|([^\n]*?))[^\S\n]*(?:#.*)?$/gm;
const START = /^(?:[^\S\n]*(?:#.*)?\n)*[^\S\n]*(?:export\s+)?[A-Za-z_]\w*[^\S\n]*=/;
const ESCAPED = { n: "\n", r: "\r", t: "\t" };

let count = 0;

// One line only fits into a password field; a key or a certificate needs an area, hidden by style.
const valueField = (id, value, masked) =>
  value.includes("\n")
    ? html`<textarea class="input mono concealed" id="${id}-value" data-value rows="3" autocomplete="off" spellcheck="false"
        data-paste="variables.paste">${`\n${value}`}</textarea>`
    : html`<input class="input mono" id="${id}-value" data-value type="password" value="${value}"
        placeholder="${masked ? t("variables.kept", { masked }) : t("variables.value")}" autocomplete="new-password" spellcheck="false" data-paste="variables.paste">`;

const row = ({ name = "", value = "", masked }) => {
  const id = `variable-${++count}`;
  return html`<div class="variable" data-row ${masked && html`data-stored="${name}"`} data-testid="variable">
    <div class="field"><label class="unseen" for="${id}-name">${t("variables.name")}</label>
      <input class="input mono" id="${id}-name" data-name value="${name}" placeholder="${t("variables.name")}" ${masked && html`readonly`}
        autocomplete="off" autocapitalize="off" spellcheck="false" data-paste="variables.paste"></div>
    <div class="field"><label class="unseen" for="${id}-value">${t("variables.value_of", { name: name || t("variables.name") })}</label>
      <div class="with-button">${valueField(id, value, masked)}
      <button class="icon-button" type="button" aria-pressed="false" aria-label="${t("variables.reveal")}" data-action="variables.reveal">${icon("eye")}</button></div></div>
    <button class="icon-button" type="button" aria-label="${t("variables.remove", { name })}" data-action="variables.remove">${icon("trash")}</button>
  </div>`;
};

const fragment = (items) => {
  const holder = document.createElement("div");
  render(holder, items.map(row));
  return holder.childNodes;
};

/** @param {{name: string, masked: string}[]} stored variables whose values the server keeps to itself */
export function variablesEditor(root, stored) {
  render(
    root,
    html`<div class="stack tight" data-rows data-testid="variables"></div>
      <button class="button quiet" type="button" data-action="variables.add" data-testid="add-variable">${icon("plus")}${t("variables.add")}</button>`,
  );
  root.querySelector("[data-rows]").append(...fragment(stored));
}

/** @returns {Record<string, string|null>} null: keep the stored value */
export function readVariables(root) {
  const variables = {};
  for (const line of root.querySelectorAll("[data-row]")) {
    const name = line.querySelector("[data-name]").value.trim();
    const value = line.querySelector("[data-value]").value;
    if (name) variables[name] = line.dataset.stored !== undefined && value === "" ? null : value;
  }
  return variables;
}

/** The rows of a page's editor, for the same page made anew. */
export const draftOf = (root) =>
  [...root.querySelectorAll("[data-row]")].map((line) => ({
    name: line.querySelector("[data-name]").value,
    value: line.querySelector("[data-value]").value,
  }));

export function applyDraft(root, draft) {
  const rows = root.querySelector("[data-rows]");
  if (!rows) return;
  const stored = new Map([...rows.children].map((line) => [line.dataset.stored, line]));
  for (const [name, line] of stored) if (!draft.some((variable) => variable.name === name)) line.remove();
  for (const variable of draft) {
    const line = stored.get(variable.name);
    if (line) line.querySelector("[data-value]").value = variable.value;
    else rows.append(...fragment([variable]));
  }
}

const unescape = (text) => text.replace(/\\([^])/g, (_, sign) => ESCAPED[sign] ?? sign);

/** Variables of a .env text. */
function parseEnv(text) {
  return [...text.replace(/\r\n/g, "\n").matchAll(LINE)].map(([, name, double, single, bare]) => ({
    name,
    value: double !== undefined ? unescape(double) : (single ?? bare.replace(/\s+#.*$/, "")),
  }));
}

/** Takes a pasted value of several lines, whose line ends an input would drop. */
function widen(input, text, event) {
  event.preventDefault();
  const holder = document.createElement("div");
  render(holder, valueField(input.id.replace(/-value$/, ""), text.replace(/\r\n/g, "\n"), false));
  input.replaceWith(holder.firstElementChild);
}

export const variableActions = {
  "variables.add": (button) => {
    const rows = button.parentElement.querySelector("[data-rows]");
    rows.append(...fragment([{}]));
    rows.lastElementChild.querySelector("input").focus();
  },
  "variables.remove": (button) => {
    const rows = button.closest("[data-rows]");
    button.closest("[data-row]").remove();
    rows.parentElement.querySelector("[data-action='variables.add']").focus();
  },
  "variables.reveal": (button) => {
    const field = button.parentElement.querySelector("[data-value]");
    const shown = field.type === "password" || field.classList.contains("concealed");
    if (field.type === "textarea") field.classList.toggle("concealed", !shown);
    else field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  },
  "variables.paste": (input, event) => {
    const text = event.clipboardData.getData("text/plain");
    const rows = input.closest("[data-rows]");
    const here = input.closest("[data-row]");
    const lines = text.trim().includes("\n");
    // A value may hold "=" itself (a URL, base64): a .env is a block that begins like one, or what is pasted as a name.
    const found = START.test(text) && (lines || input.dataset.name !== undefined) ? parseEnv(text) : [];
    if (!found.length) {
      if (lines && input.dataset.value !== undefined && input.type !== "textarea") widen(input, text, event);
      return;
    }
    event.preventDefault();
    for (const variable of found) {
      const same = [...rows.children].find((line) => line.querySelector("[data-name]").value === variable.name);
      if (same) same.querySelector("[data-value]").value = variable.value;
      else rows.append(...fragment([variable]));
    }
    if (!here.querySelector("[data-name]").value && !here.querySelector("[data-value]").value) here.remove();
    rows.lastElementChild.querySelector("[data-value]").focus();
  },
};
