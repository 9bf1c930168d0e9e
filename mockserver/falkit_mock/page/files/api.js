/** All calls of the control API, and its events. The page uses nothing else. */
import { batch, signal } from "./vendor/signals.js";

const BASE = "/__falkit";
/** By which the mock tells this page from the programs that it is about. */
export const PAGE_CALLS = { "x-falkit-client": "page" };
/** Kinds of events, as docs/control.md lists them. */
const KINDS = [
  "request_answered", "job_changed", "delivery_attempted", "call_left", "connection_refused",
  "cost_alert", "budget_exceeded", "finding_made", "clock_changed", "rules_changed", "reset", "gap",
];
/** Milliseconds for which events are collected before anybody hears of them. */
const COLLECTED = 120;
/** Milliseconds after which a hidden page lets go of its connection: a browser has six for a host. */
const HIDDEN = 10_000;

/** The key whose mock is shown, in one with tenants; empty otherwise. */
export const tenant = signal("");
/** What GET /health says, or null until it is known. */
export const health = signal(null);
/** What GET /spend says, or null until it is known. */
export const spent = signal(null);
/** `connecting`, `live`, `lost` (tried again by itself), or `refused` (a token is needed). */
export const connection = signal("connecting");
/** The mock's clock as it was last told. */
export const clock = signal({ now: Date.now() / 1000, running: true, at: performance.now() });
/** Counts up once a second while the clock runs and the page is seen. */
export const tick = signal(0);

/** A call that was not answered as it was meant to be; `status` 0 is no answer at all. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Fetch something of the mock's; no answer at all is an ApiError, too. */
export const reach = (url, options) =>
  fetch(url, options).catch((error) => {
    throw error.name === "AbortError" ? error : new ApiError(0, "The mock doesn't answer. Is it still running?");
  });

/**
 * Call an operation; `path` is relative to /__falkit.
 * @param {string} method
 * @param {string} path such as "/jobs"
 * @param {{query?: object, body?: any, signal?: AbortSignal, raw?: boolean}} [options] `raw` returns the Response
 */
export async function call(method, path, { query = {}, body, signal, raw } = {}) {
  // Whether calls name a key is known once the mock has said whether each has a mock of its own.
  if (path !== "/health") await greeted;
  const headers = { ...PAGE_CALLS };
  let sent = body;
  if (body !== undefined && !(body instanceof Blob)) {
    headers["content-type"] = "application/json";
    sent = JSON.stringify(body);
  }
  const reply = await reach(address(path, query), { method, headers, body: sent, signal });
  if (reply.status === 401) connection.value = "refused";
  if (!reply.ok) throw new ApiError(reply.status, await reason(reply));
  if (raw) return reply;
  return reply.status === 204 ? null : reply.json();
}

export const get = (path, query, options) => call("GET", path, { query, ...options });
export const post = (path, body = {}, query) => call("POST", path, { body, query });
export const put = (path, body, query) => call("PUT", path, { body, query });
export const remove = (path, query) => call("DELETE", path, { query });

/** Return an operation's URL; parameters that are empty are left out. */
export function address(path, query = {}) {
  const wanted = tenant.value && !("key" in query) ? { ...query, key: tenant.value } : query;
  const given = Object.entries(wanted).filter(([, value]) => ![undefined, null, ""].includes(value));
  const text = new URLSearchParams(given).toString();
  return `${BASE}${path}${text ? `?${text}` : ""}`;
}

async function reason(reply) {
  const text = await reply.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : JSON.stringify(detail ?? text);
  } catch {
    return text || `status ${reply.status}`;
  }
}

/** Return the time by the mock's clock, unix seconds. */
export function now() {
  const { now, running, at } = clock.value;
  return running ? now + (performance.now() - at) / 1000 : now;
}

/** Take up what an operation on the clock answered. */
export function setClock({ now, running }) {
  clock.value = { now, running, at: performance.now() };
}

export async function readClock() {
  setClock(await get("/clock"));
}

let known;
const greeted = new Promise((resolve) => (known = resolve));
let opened;
/**
 * Resolves once the events are followed, or can't be: what is read after it misses none of them.
 * @type {Promise<void>}
 */
export const ready = new Promise((resolve) => (opened = resolve));

const followers = new Set();
let source = null;
let last = null;
let collected = [];
let flushing = 0;
let retry = 0;
let delay = 500;
let hiding = 0;
/** When the mock was started, on this page's clock: another moment means another mock. */
let started = 0;

/**
 * Hear of events of some kinds, in batches; returns what ends it.
 * A batch is a list of `{ kind, ...fields }`. One of kind `gap` says that some are missing, or that
 * it is another mock by now: read everything again. Every follower gets it.
 * @param {string[]} kinds
 * @param {(events: object[]) => void} listener
 */
export function follow(kinds, listener) {
  const one = { kinds: new Set([...kinds, "gap"]), listener };
  followers.add(one);
  return () => followers.delete(one);
}

function collect(kind, fields) {
  collected.push({ ...fields, kind });
  flushing ||= setTimeout(flush, COLLECTED);
}

function flush() {
  flushing = 0;
  const events = collected;
  collected = [];
  const timed = events.findLast(({ time, kind }) => time && /job_|request_/.test(kind));
  const kinds = new Set(events.map(({ kind }) => kind));
  // Somebody else moved the clock.
  if (kinds.has("clock_changed") || (timed && Math.abs(timed.time - now()) > 2)) {
    readClock().catch(() => {});
  }
  batch(() => {
    for (const { kinds: wanted, listener } of followers) {
      const mine = events.filter(({ kind }) => wanted.has(kind));
      if (mine.length) listener(mine);
    }
  });
}

/** Read what the mock says of itself, and tell everybody if it is another one than before. */
async function greet(key) {
  const about = await get("/health", { key: "" });
  const begun = performance.now() / 1000 - about.uptime;
  const another = health.value && (about.seed !== health.value.seed || Math.abs(begun - started) > 0.5);
  if (another) collect("gap", { missing: null });
  started = begun;
  if (!about.settings?.tenants) tenant.value = "";
  else if (key) tenant.value = key;
  health.value = about;
}

/** Open the stream of events, and keep it open for as long as the page is seen; `key` is the tenant to show. */
export async function connect(key) {
  clearTimeout(retry);
  close();
  try {
    await greet(key);
  } catch {
    known();
    return lose();
  }
  known();
  if (health.value.settings?.tenants && !tenant.value) {
    connection.value = "live";
    opened();
    return;
  }
  readClock().catch(() => {});
  source = new EventSource(address("/events", { since: last }));
  source.onopen = () => {
    delay = 500;
    connection.value = "live";
    opened();
  };
  // An EventSource gives up at some failures, so each is taken the same way.
  source.onerror = lose;
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      if (event.lastEventId) last = event.lastEventId;
      collect(kind, JSON.parse(event.data));
    });
  }
}

function lose() {
  close();
  opened();
  if (connection.value === "refused") return;
  connection.value = "lost";
  clearTimeout(retry);
  retry = setTimeout(() => connect(), delay);
  delay = Math.min(delay * 1.5, 5000);
}

function close() {
  source?.close();
  source = null;
}

/** Show another key's mock. */
export function setTenant(key) {
  if (key === tenant.value) return;
  tenant.value = key;
  last = null;
  collect("gap", { missing: null });
  if (health.value) connect();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      clearTimeout(retry);
      close();
    }, HIDDEN);
  } else if (!source) {
    connect();
  }
});

setInterval(() => {
  if (!document.hidden && clock.value.running) tick.value += 1;
}, 1000);
