/** Server-sent events over fetch: EventSource cannot carry the bearer token. */

import { authorised } from "/js/core/api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Yields `{event, data, id}` of one response until it ends. */
async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const message = { event: "message", data: "", id: undefined };
      for (const line of block.split(/\r?\n/)) {
        const [, field, text] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (field === "data") message.data += (message.data && "\n") + text;
        else if (field === "event" || field === "id") message[field] = text;
      }
      if (message.data) yield message;
    }
  }
}

const pause = (ms, signal) =>
  new Promise((over) => {
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), over()), { once: true });
  });

// Browsers keep at most six connections to a host over HTTP/1.1: a tab nobody looks at gives its own back.
const visible = (signal) =>
  new Promise((over) => {
    const check = () => document.visibilityState === "visible" && over();
    document.addEventListener("visibilitychange", check, { signal });
    signal.addEventListener("abort", over, { once: true });
    check();
  });

/**
 * Follows a stream until its `end` event or until `signal` aborts, over lost connections.
 * @param {() => string} path asked again at every connection, so that it can say where to go on
 * @param {(event: string, data: object) => void} receive
 * @returns {Promise<boolean>} whether the stream ended by itself
 */
export async function follow(path, receive, signal) {
  let last;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    await visible(signal);
    if (signal.aborted) break;
    const connection = new AbortController();
    const stop = () => connection.abort();
    const hide = () => document.visibilityState === "hidden" && stop();
    signal.addEventListener("abort", stop, { once: true });
    document.addEventListener("visibilitychange", hide);
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      const answer = await authorised(path(), { headers, cache: "no-store", signal: connection.signal });
      for await (const { event, data, id } of events(answer)) {
        last = id ?? last;
        wait = FIRST_WAIT_MS;
        if (event === "end") return true;
        receive(event, JSON.parse(data));
      }
    } catch (error) {
      if (error.status && error.status < 500 && error.status !== 429) return false;
    } finally {
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", hide);
      stop();
    }
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
  return false;
}
