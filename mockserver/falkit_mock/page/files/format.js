/** How values are written: time, money, bytes, ids, and a request as code. */

const two = (number) => String(number).padStart(2, "0");

/** Return seconds in the unit that one reads best: `0.42 s`, `12 s`, `4 min`, `3 h`, `2 d`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const size = Math.abs(seconds);
  if (size < 0.0005) return size ? "< 1 ms" : "0 s";
  if (size < 1) return `${Math.round(seconds * 1000)} ms`;
  if (size < 10) return `${Number(seconds.toFixed(1))} s`;
  if (size < 90) return `${Math.round(seconds)} s`;
  if (size < 5400) return `${Math.round(seconds / 60)} min`;
  if (size < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Return how long after another a moment was. */
export const plus = (seconds) => (seconds < 0.0005 ? "0" : `+${duration(seconds)}`);

/** Return how long ago a moment was, by the mock's clock. */
export function age(moment, now) {
  if (moment === null || moment === undefined) return "–";
  const seconds = Math.max(0, now - moment);
  return seconds < 1 ? "now" : duration(Math.floor(seconds));
}

/** Return a moment (unix seconds) as this machine's time of day, with milliseconds if asked for. */
export function clockTime(moment, precise = false) {
  if (moment === null || moment === undefined) return "–";
  const date = new Date(moment * 1000);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return precise ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Return a moment (unix seconds) as this machine's date and time of day. */
export function dateTime(moment, precise = false) {
  if (moment === null || moment === undefined) return "–";
  const date = new Date(moment * 1000);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clockTime(moment, precise)}`;
}

/** Return a moment as the time of day, with its month and day where those are another moment's. */
export function dayTime(moment, now) {
  const text = dateTime(moment);
  return text.slice(0, 10) === dateTime(now).slice(0, 10) ? text.slice(11) : text.slice(5);
}

/** Return a moment (unix seconds) as logs and replies have it, in UTC. */
export const iso = (moment) => new Date(moment * 1000).toISOString();

/** Return this machine's time zone, as `GMT+0200`. */
export const zone = () => /GMT\S*/.exec(new Date())[0];

/** When a webhook is tried again, by the names of --webhook-schedule. */
export const SCHEDULES = {
  "two-hours": "10 times in 2 hours",
  "until-expiry": "31 times at most, while the result is there",
  observed: "6 times in 10 minutes",
};

/** Return US dollars, which the control API has as text, without losing a digit. */
export function money(amount) {
  if (amount === null || amount === undefined || amount === "") return "–";
  const [whole, part = ""] = String(amount).split(".");
  const digits = part.replace(/0+$/, "");
  return `$${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${digits.padEnd(2, "0")}`;
}

/** Return bytes in the unit that one reads best, by powers of 1,000. */
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  let [value, unit] = [size, 0];
  while (value >= 999.5 && unit < 4) [value, unit] = [value / 1000, unit + 1];
  const digits = unit && value < 99.5 ? 1 : 0;
  return `${value.toFixed(digits)} ${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

/** Return a whole number with its thousands apart. */
export const count = (number) => Number(number).toLocaleString("en-US");

/** Return `1 job`, `2 jobs`, `2 deliveries`. */
export const plural = (number, noun) => `${count(number)} ${number === 1 ? noun : `${noun}s`.replace("rys", "ries")}`;

/** Return the end of an id, which tells ids apart; their beginning is the time. */
export const shortId = (id) => (id.length > 14 ? `…${id.slice(-8)}` : id);

/** Return text of one line and of bounded length. */
export function line(text, most = 200) {
  const flat = String(text).replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}

/** Return a value in a line; text that could be another value has its quotes. */
export const told = (value) =>
  typeof value === "string" && Number.isNaN(Number(value)) && !/^(true|false|null)$/.test(value) ? value : JSON.stringify(value);

/** Return an error of fal's: the field that it is about, where there is one, and what is wrong. */
export const errorText = ({ loc = [], msg }) => [loc.slice(1).join("."), msg].filter(Boolean).join(": ");

/** Return what is typed in a filter as a pattern: found anywhere, but with `*` or `?` in it as a whole, and in quotes exactly. */
export const anywhere = (text) => text && (/^".*"$/.test(text) ? text.slice(1, -1) : /[*?]/.test(text) ? text : `*${text}*`);

/** Return a pattern with `*` and `?` as a regular expression. */
export const glob = (pattern) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".")}$`);

/** Languages that `codeOf` writes, by what they are called. */
export const LANGUAGES = { curl: "curl", python: "Python", javascript: "JavaScript", client: "falkit_client" };

/**
 * Return code that sends an input to this mock.
 * @param {keyof typeof LANGUAGES} language
 * @param {{endpoint: string, input: any, key?: string, entry?: string, webhook?: string}} request
 *   `entry` is `queue` or `run`, which is answered with the result
 * @param {string} [origin] the mock's
 */
export function codeOf(language, request, origin = location.origin) {
  return WRITERS[language]({ key: "falkit", entry: "queue", ...request, key: request.key || "falkit" }, origin);
}

const WRITERS = {
  curl({ endpoint, input, key, entry, webhook }, origin) {
    const host = entry === "run" ? "fal.run" : "queue.fal.run";
    const query = webhook ? `?fal_webhook=${encodeURIComponent(webhook)}` : "";
    return [
      `curl ${quoted(`${origin}/${host}/${endpoint}${query}`)} \\`,
      `  -H ${quoted(`Authorization: Key ${key}`)} \\`,
      `  -H 'Content-Type: application/json' \\`,
      `  -d ${quoted(JSON.stringify(input))}`,
    ].join("\n");
  },
  python({ endpoint, input, key, entry, webhook }, origin) {
    const call = webhook ? "submit" : entry === "run" ? "run" : "subscribe";
    const last = webhook ? `,\n    webhook_url=${python(webhook)},\n)` : ",\n)";
    return [
      `# app.py: start it with  FAL_KEY=${key} falkit run -- python app.py`,
      `# (or, with this mock started by falkit serve --gateway:  eval "$(falkit env)")`,
      "import fal_client",
      "",
      `result = fal_client.${call}(`,
      `    ${python(endpoint)},`,
      `    ${python(input, "    ")}${last}`,
      "print(result)",
    ].join("\n");
  },
  javascript({ endpoint, input, key, entry, webhook }, origin) {
    const call = webhook ? "queue.submit" : entry === "run" ? "run" : "subscribe";
    const more = webhook ? `\n  webhookUrl: ${JSON.stringify(webhook)},` : "";
    return [
      'import { fal } from "@fal-ai/client";',
      "",
      "fal.config({",
      `  credentials: ${JSON.stringify(key)},`,
      `  proxyUrl: { url: ${JSON.stringify(`${origin}/api/fal/proxy`)}, when: "always" },`,
      "});",
      `const result = await fal.${call}(${JSON.stringify(endpoint)}, {`,
      `  input: ${JSON.stringify(input, null, 2).replaceAll("\n", "\n  ")},${more}`,
      "});",
      "console.log(result);",
    ].join("\n");
  },
  client({ endpoint, input, key }, origin) {
    return [
      "from falkit_client import Client",
      "",
      `with Client(key=${python(key)}, base_url=${python(origin)}) as client:`,
      "    result = client.subscribe(",
      `        ${python(endpoint)},`,
      `        ${python(input, "        ")},`,
      "    )",
      "    print(result.output)",
    ].join("\n");
  },
};

const LEFT_OUT = /^(x-falkit-client|host|content-length|connection|accept-encoding|accept|user-agent|transfer-encoding)$/i;

/**
 * Return a request of the log as code that sends it to this mock again, by its languages; a masked key is `falkit`.
 * @param {string} method
 * @param {string} host at fal
 * @param {{target: string, headers: Record<string, string>, body: string | null}} sent
 */
export function exchangeCode(method, host, { target, headers, body }) {
  const url = location.origin + (target.startsWith(`/${host}`) ? target : `/${host}${target}`);
  const given = Object.entries(headers).filter(([name]) => !LEFT_OUT.test(name)).map(([name, value]) => [name, value.replace(/:?\*{3}$/, "").replace(/^(Key|Bearer) ?$|^$/, "$1 falkit").trim()]);
  const verb = method === "GET" || (method === "POST" && body) ? [] : [`-X ${method}`];
  const js = [`  method: ${JSON.stringify(method)},`, `  headers: ${JSON.stringify(Object.fromEntries(given), null, 2).replaceAll("\n", "\n  ")},`, ...(body ? [`  body: ${JSON.stringify(body)},`] : [])];
  const py = [`    ${python(method)},`, `    ${python(url)},`, `    headers=${python(Object.fromEntries(given), "    ")},`, ...(body ? [`    content=${python(body)}.encode(),`] : [])];
  return {
    curl: [`curl ${quoted(url)}`, ...verb, ...given.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`), ...(body ? [`-d ${quoted(body)}`] : [])].join(" \\\n  "),
    Python: ["import httpx", "", "reply = httpx.request(", ...py, ")", "print(reply.status_code, reply.text)"].join("\n"),
    JavaScript: [`const reply = await fetch(${JSON.stringify(url)}, {`, ...js, "});", "console.log(reply.status, await reply.text());"].join("\n"),
  };
}

/** Return text as one word of a shell. */
export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return a JSON value as Python writes it; `margin` stands before its later lines. */
export function python(value, margin = "") {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  // JSON's escapes are Python's too, but for characters beyond 16 bits, which are left as they are.
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${margin}    `;
  const list = Array.isArray(value);
  const items = list
    ? value.map((one) => inner + python(one, inner))
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${python(one, inner)}`);
  const [open, close] = list ? "[]" : "{}";
  return items.length ? `${open}\n${items.join(",\n")},\n${margin}${close}` : open + close;
}
