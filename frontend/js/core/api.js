/**
 * The only place that talks to the API. The access token lives in memory, the refresh token in a
 * cookie that scripts cannot read; a problem answer becomes an `ApiError`.
 */

import { currentLanguage, known, t } from "/js/core/i18n.js";

const BASE = "/api/v1";
const PROFILE = "gavan.profile";
const PROJECT = "gavan.project";
const EARLY_MS = 20_000;
const DOUBLE_CLICK_MS = 1_500;

export class ApiError extends Error {
  /** @param {{status:number, code:string, detail?:string, errors?:object[], retryAfter?:number, mfa?:object}} facts */
  constructor({ status, code, detail, errors, retryAfter, requestId, mfa }) {
    super(known(`problem.${code}`, detail || code));
    Object.assign(this, { name: "ApiError", status, code, errors: errors ?? [], retryAfter, requestId, mfa });
  }

  /** The first message about a field, as `{name: message}`; a path below `body` is joined with dots. */
  get fields() {
    const byName = {};
    for (const { loc, message, code, parameters } of this.errors) {
      const name = loc.filter((part) => part !== "body").join(".");
      byName[name] ??= known(`problem.${code}`, known(`why.${code}`, currentLanguage() === "en" ? message : t("form.invalid"), parameters));
    }
    return byName;
  }
}

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("gavan.session") : null;
let access = { token: null, until: 0 };
let refreshing = null;
let onSignedOut = () => {};
let viewing = null;

tabs?.addEventListener("message", ({ data }) => {
  if (data.access) access = data.access;
  else forget();
});

/** Calls `then` when the session ends, here or in another tab. */
export const whenSignedOut = (then) => {
  onSignedOut = then;
};

/**
 * Another account as its user sees it, in this tab until it is reloaded: `{token, ended}`; null is one's own
 * again. `ended(signedOut)` is called when the token is refused, or one's own session has ended.
 */
export const viewAs = (other) => {
  viewing = other;
};

function stopViewing(signedOut) {
  const { ended } = viewing;
  viewing = null;
  ended(signedOut);
}

function forget() {
  if (viewing) stopViewing(true);
  access = { token: null, until: 0 };
  localStorage.removeItem(PROFILE);
  onSignedOut();
}

function remember({ access_token: token, expires_in: seconds }) {
  access = { token, until: Date.now() + seconds * 1000 };
  tabs?.postMessage({ access });
}

const RETRY_MS = 4_000;
const ANSWERS = "/oauth/jwks";
let onConnection = () => {};
let retrying = 0;

/** Calls `then(lost)` when the server stops answering and when it answers again. */
export const whenConnectionChanges = (then) => {
  onConnection = then;
};

/** While nothing answers, something cheap is asked again: not every page asks by itself. */
function connection(there) {
  if (there === !retrying) return;
  clearInterval(retrying);
  retrying = there ? 0 : setInterval(() => send(ANSWERS, { cache: "no-store" }).catch(() => {}), RETRY_MS);
  onConnection(!there);
}

async function send(path, init) {
  try {
    const answer = await fetch(path, init);
    if (answer.status < 500) connection(true);
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection(false);
    throw new ApiError({ status: 0, code: "offline" });
  }
}

async function failure(answer) {
  const body = await answer.json().catch(() => ({}));
  // The edge's own word for an API that is away; without a code it is that of another proxy before it.
  if (body.code === "api_unavailable" || (answer.status > 501 && !body.code)) connection(false);
  return new ApiError({
    status: answer.status,
    code: answer.status === 429 ? "too_many_requests" : (body.code ?? body.error ?? `http_${answer.status}`),
    detail: body.detail ?? body.error_description,
    errors: body.errors,
    retryAfter: Number(answer.headers.get("Retry-After")) || undefined,
    requestId: body.request_id,
    mfa: body.mfa_token && { token: body.mfa_token, methods: body.mfa_methods },
  });
}

async function grant(form) {
  const answer = await send("/oauth/token", {
    method: "POST",
    body: new URLSearchParams({ ...form, client_id: "panel" }),
  });
  if (!answer.ok) throw await failure(answer);
  remember(await answer.json());
}

const fresh = () => access.token !== null && Date.now() < access.until - EARLY_MS;

// A rotated refresh token used twice ends the session, so tabs take turns and share what they got.
// Locks exist only in secure contexts; without them the turn is taken within this tab alone.
function refresh() {
  const turn = async () => {
    if (!fresh()) await grant({ grant_type: "refresh_token" });
  };
  const locked = () => (navigator.locks ? navigator.locks.request("gavan.refresh", turn) : turn());
  refreshing ??= locked()
    .catch((error) => {
      if (![400, 401].includes(error.status)) throw error;
      forget();
      throw new ApiError({ status: 401, code: "session_ended" });
    })
    .finally(() => {
      refreshing = null;
    });
  return refreshing;
}

/** The token itself, for an upload that shows how far it is. */
export async function bearer() {
  if (!viewing && !fresh()) await refresh();
  return (viewing ?? access).token;
}

/** A fetch with the bearer token: renewed when it is about to expire, once more when it was refused. */
export async function authorised(path, { headers, ...init } = {}) {
  const other = viewing;
  const attempt = async () => {
    if (!other && !fresh()) await refresh();
    const authorization = `Bearer ${(other ?? access).token}`;
    return send(BASE + path, { ...init, headers: { ...headers, Authorization: authorization } });
  };
  let answer = await attempt();
  if (answer.status === 401 && other) {
    // What was meant for the other account must not be asked of one's own.
    if (viewing === other) stopViewing(false);
  } else if (answer.status === 401) {
    access.until = 0;
    answer = await attempt();
  }
  if (answer.ok) return answer;
  const error = await failure(answer);
  if (error.code !== "proof_required") throw error;
  // Whoever confirms that it is them gets what was asked for; whoever does not, the refusal.
  const { prove } = await import("/js/shared/proof.js");
  if (!(await prove())) throw error;
  answer = await attempt();
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function request(method, path, { body, query, signal, headers } = {}) {
  const asked = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "");
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await authorised(path + (asked.length ? `?${new URLSearchParams(asked)}` : ""), {
    method,
    signal,
    headers: { ...json, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const get = (path, query, signal) => request("GET", path, { query, signal });
export const patch = (path, body) => request("PATCH", path, { body });
export const replace = (path, body) => request("PUT", path, { body });
export const remove = (path) => start("DELETE", path);

const intents = new Map();

// randomUUID is missing outside secure contexts (a panel reached by plain http over a LAN).
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Asks for work once per intent: the same request made again while it runs, shortly after it
 * (a double click), or after an answer that got lost, carries the same Idempotency-Key.
 */
function start(method, path, body) {
  // Asked from another page it is meant anew: a deployment that failed at once is soon followed by the next.
  const intent = `${method} ${path} ${JSON.stringify(body)} ${location.pathname}`;
  const earlier = intents.get(intent);
  if (earlier?.running) return earlier.running;
  const key = earlier?.key ?? randomKey();
  const entry = { key };
  const settle = () => {
    entry.running = null;
    setTimeout(() => intents.get(intent) === entry && intents.delete(intent), DOUBLE_CLICK_MS);
  };
  entry.running = request(method, path, { body, headers: { "Idempotency-Key": key } }).then(
    (result) => {
      settle();
      return result;
    },
    (error) => {
      entry.running = null;
      if (error.status && error.status < 500) intents.delete(intent);
      throw error;
    },
  );
  intents.set(intent, entry);
  return entry.running;
}

export const post = (path, body = {}) => start("POST", path, body);

/** A call that needs no session: registering, and what comes before signing in. */
export async function openly(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await send(BASE + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw await failure(answer);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

export const register = (body) => openly("/users", body);

/** Signs in by any grant; with a second factor the password throws an `ApiError` that has `mfa`. */
export async function signInBy(form) {
  await grant(form);
  await loadProfile();
}

export const signIn = (email, password) => signInBy({ grant_type: "password", username: email, password });

export async function signOut() {
  try {
    await send("/oauth/revoke", { method: "POST", body: new URLSearchParams({ client_id: "panel" }) });
  } finally {
    tabs?.postMessage({ ended: true });
    forget();
  }
}

/**
 * Who is signed in, kept so that a reload needs no extra round trip; it also tells that a session
 * probably exists. It decides only what is shown: the server checks every request.
 */
export const profile = () => viewing?.me ?? JSON.parse(localStorage.getItem(PROFILE) ?? "null");

export async function loadProfile(signal) {
  return keepProfile(await get("/me", {}, signal));
}

export function keepProfile(me) {
  const kept = { ...me, seen: Date.now() };
  if (viewing) viewing.me = kept;
  else localStorage.setItem(PROFILE, JSON.stringify(kept));
  return me;
}

/** The project that one's lists are narrowed to; "" is all of them. */
export function chosenProject() {
  const chosen = localStorage.getItem(PROJECT);
  return (profile()?.projects ?? []).some(({ id }) => id === chosen) ? chosen : "";
}

export const chooseProject = (id) => localStorage.setItem(PROJECT, id);
