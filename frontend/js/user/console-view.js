/** The terminal on the page: xterm.js, held to the panel's policy for styles. */

import { FitAddon } from "/vendor/xterm/addon-fit.mjs";
import { Terminal } from "/vendor/xterm/xterm.mjs";

/**
 * xterm.js writes its rules into style elements, which the policy forbids. Sheets that a script makes it allows,
 * so what is written goes into one.
 */
function styleStandIn() {
  const element = document.createElement("span");
  element.hidden = true;
  const rules = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, rules];
  Object.defineProperty(element, "textContent", { set: (text) => rules.replaceSync(text) });
  const { remove } = element;
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== rules);
    remove.call(element);
  };
  return element;
}

/** They are all made while the terminal opens. */
function openWithinPolicy(terminal, holder) {
  document.createElement = (tag, options) => (tag === "style" ? styleStandIn() : Document.prototype.createElement.call(document, tag, options));
  try {
    terminal.open(holder);
  } finally {
    delete document.createElement;
  }
}

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @param {HTMLElement} holder
 * @param {{typed:(data:string)=>void, bytes:(data:string)=>void, resized:(columns:number, rows:number)=>void, left:()=>void, label:string}} on
 */
export function consoleView(holder, on, signal) {
  const terminal = new Terminal({
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: variable("--mono") || "ui-monospace, monospace",
    fontSize: 14,
    scrollback: 5000,
    screenReaderMode: false,
    // Always a dark one, as logs are.
    theme: { background: "#0b1a26", foreground: "#e4edf3", cursor: "#ffb454", selectionBackground: "#35536b" },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  openWithinPolicy(terminal, holder);
  terminal.textarea?.setAttribute("aria-label", on.label);
  fit.fit();
  let escaped = 0;
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown") return true;
    // Twice in a row leaves, since Tab belongs to the shell.
    if (event.key === "Escape") {
      if (event.timeStamp - escaped < 600) on.left();
      escaped = event.timeStamp;
      return true;
    }
    escaped = 0;
    // As in other terminals; Ctrl+C alone is the shell's.
    return !(event.ctrlKey && event.shiftKey && event.code === "KeyC" && copySelection(terminal, event));
  });
  terminal.onData(on.typed);
  terminal.onBinary(on.bytes);
  terminal.onResize(({ cols, rows }) => on.resized(cols, rows));
  const watch = new ResizeObserver(() => fit.fit());
  watch.observe(holder);
  signal.addEventListener("abort", () => {
    watch.disconnect();
    terminal.dispose();
  }, { once: true });
  return terminal;
}

function copySelection(terminal, event) {
  if (!terminal.hasSelection()) return false;
  event.preventDefault();
  navigator.clipboard?.writeText(terminal.getSelection()).catch(() => {});
  return true;
}
