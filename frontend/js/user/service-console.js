/** A shell in one of the service's units. */

import { get, post } from "/js/core/api.js";
import { html, icon, render } from "/js/core/dom.js";
import { known, loadTexts, t } from "/js/core/i18n.js";
import { sheet } from "/js/shared/vendored.js";
import { consoleView } from "/js/user/console-view.js";

const PIECE = 16 * 1024;
const TOLD_EVERY = 32 * 1024;
const RESTARTED = 1012;
let view = null;

const encode = new TextEncoder();
const unitName = ({ process, replica }) => `${process}.${replica}`;

const frame = (units) => html`<div class="stack console-page">
  <p class="hint">${t("console.about")}</p>
  <div class="row console-bar">
    <label class="row">${t("console.unit")} <select class="input" data-part="unit" data-testid="console-unit">${units.map((unit) => html`<option value="${unitName(unit)}">${unitName(unit)}</option>`)}</select></label>
    <button class="button primary" type="button" data-action="console.connect" data-testid="console-connect">${icon("play")}<span data-part="verb">${t("console.connect")}</span></button>
    <button class="button" type="button" data-action="console.leave" data-testid="console-leave" hidden>${t("console.disconnect")}</button>
    <span class="hint" role="status" data-part="state" data-testid="console-state"></span>
  </div>
  <div class="console" data-part="screen" data-testid="console" data-keep hidden></div>
  <p class="hint" data-part="keys" hidden>${t("console.keys")}</p></div>`;

const part = (name) => view.root.querySelector(`[data-part=${name}]`);

function say(words, { connected = false, again = false } = {}) {
  part("state").textContent = words;
  part("verb").textContent = t(again ? "console.reconnect" : "console.connect");
  view.root.querySelector("[data-action='console.connect']").hidden = connected;
  view.root.querySelector("[data-action='console.leave']").hidden = !connected;
  part("unit").disabled = connected;
  delete part("screen").dataset.open;
}

const ending = (why) => known(`console.end_${why}`, t("console.end_lost"));

/** What was typed goes in pieces: the server takes no large messages. */
function type(socket, data) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  for (let at = 0; at < data.length; at += PIECE) socket.send(data.subarray(at, at + PIECE));
}

function receive(socket, terminal) {
  let why = null;
  let shown = 0;
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") {
      terminal.write(new Uint8Array(data), () => {
        // The server waits for this before it sends much more.
        shown += data.byteLength;
        if (shown < TOLD_EVERY || socket.readyState !== WebSocket.OPEN) return;
        socket.send(JSON.stringify({ seen: shown }));
        shown = 0;
      });
      return;
    }
    const said = JSON.parse(data);
    if (said.open) {
      say(t("console.connected"), { connected: true });
      part("screen").dataset.open = "";
      terminal.focus();
    }
    if (said.end) why = said.end;
  });
  socket.addEventListener("close", ({ code }) => {
    if (view?.socket !== socket) return;
    view.socket = null;
    terminal.options.disableStdin = true;
    say(ending(why ?? (code === RESTARTED ? "restarted" : "lost")), { again: true });
    if (view.root.contains(document.activeElement)) view.root.querySelector("[data-action='console.connect']").focus();
  });
}

async function connect() {
  const mine = view;
  const [process, replica] = part("unit").value.split(".");
  say(t("console.connecting"), { connected: true });
  let ticket;
  try {
    ticket = await post(`/services/${mine.service.id}/consoles`, { process, replica: Number(replica) });
  } catch (error) {
    say(error.message, { again: true });
    return;
  }
  if (mine !== view || mine.signal.aborted) return;
  part("screen").hidden = false;
  part("keys").hidden = false;
  mine.terminal ??= consoleView(part("screen"), {
    label: t("console.label"),
    typed: (data) => type(mine.socket, encode.encode(data)),
    bytes: (data) => type(mine.socket, Uint8Array.from(data, (sign) => sign.charCodeAt(0) & 255)),
    resized: (columns, rows) => mine.socket?.readyState === WebSocket.OPEN && mine.socket.send(JSON.stringify({ resize: [columns, rows] })),
    left: () => mine.root.querySelector("[data-action='console.leave']").focus(),
  }, mine.signal);
  const { terminal } = mine;
  terminal.reset();
  terminal.options.disableStdin = false;
  const address = new URL(ticket.url, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  mine.socket = socket;
  socket.addEventListener("open", () => socket.send(JSON.stringify({ ticket: ticket.ticket, columns: terminal.cols, rows: terminal.rows })));
  receive(socket, terminal);
}

export async function open(root, { service, signal }) {
  view = { root, service, signal, socket: null, terminal: null };
  const mine = view;
  await Promise.all([loadTexts("looking"), sheet("xterm/xterm.css")]);
  const { now } = await get(`/services/${service.id}/metrics`, {}, signal).catch(() => ({ now: [] }));
  if (mine !== view || signal.aborted) return;
  const units = now.length ? now : [{ process: "web", replica: 1 }];
  render(root, service.live_deployment ? frame(units) : html`<p class="muted">${t("console.never_live")}</p>`);
  signal.addEventListener("abort", () => mine.socket?.close());
}

export const actions = {
  "console.connect": connect,
  "console.leave": () => {
    say(t("console.end_left"), { again: true });
    view.socket?.close();
    view.root.querySelector("[data-action='console.connect']").focus();
  },
};
