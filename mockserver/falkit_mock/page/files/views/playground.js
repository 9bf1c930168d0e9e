/** Call an endpoint by a form: its price and errors as one types, its result, and the call as code. */
import { call, connection, get, tenant } from "../api.js";
import { LANGUAGES, codeOf, money, plural } from "../format.js";
import { Form, JsonText, unread } from "../form.js";
import { Codes, Copy, Empty, EndpointId, Failure, Icon, Link, Tabs, html, say, useEffect, useMemo, useRead, useRef, useState } from "../parts.js";
import { go, parse, setQuery } from "../router.js";
import { isObject } from "../schema.js";
import { Catalogue } from "./endpoints.js";
import { Run, useRun } from "./playground_run.js";

export const title = ({ rest }) => (rest ? `Playground: ${rest}` : "Playground");

/** Milliseconds without a change after which an input is checked. */
const QUIET = 200;
/** A longer input is not in the URL: browsers and chats cut it. */
const LONGEST = 30_000;
/** Combinations that are asked for at once, and those that are read at most. */
const ROWS = 1000;
const MOST = 10_000;

export function Playground({ params: { rest, query } }) {
  if (!rest) {
    return html`<${Catalogue} heading="Playground" to="playground"><p class="dim about">Choose an endpoint: its document makes the form.</p><//>`;
  }
  return html`<${Bench} key=${rest} id=${rest} query=${query} />`;
}

function Bench({ id, query }) {
  const endpoint = useRead((signal) => get(`/endpoints/${id}`, {}, { signal }), [id]);
  const all = useRead((signal) => get("/endpoints", {}, { signal }), []);
  return html`<div class="view bench">
    <header class="benchhead">
      <h1 tabindex="-1"><span class="sr">Playground: </span><${EndpointId} id=${id} /></h1>
      <${Picker} id=${id} endpoints=${all.value?.endpoints} />
      <${Link} to="endpoints" rest=${id}>Its fields, limits and prices<//>
    </header>
    <${Failure} ...${endpoint} gone=${html`<${Empty} title="There is no document of this endpoint."><p>${endpoint.error?.message}</p><p><${Link} to="playground">Choose another<//></p><//>`} />
    ${endpoint.value ? html`<${Tools} endpoint=${endpoint.value} query=${query} />` : !endpoint.error && html`<p class="loading">Loading…</p>`}
  </div>`;
}

function Picker({ id, endpoints = [] }) {
  const groups = Object.entries(Object.groupBy(endpoints, ({ category }) => category || "others"));
  return html`<label class="filter">Endpoint <select value=${id} onChange=${({ target }) => go("playground", target.value)}>
    ${!endpoints.some((one) => one.endpoint_id === id) && html`<option value=${id} selected>${id}</option>`}
    ${groups.map(([category, ones]) => html`<optgroup key=${category} label=${category}>${ones.map((one) => html`<option key=${one.endpoint_id} value=${one.endpoint_id} selected=${one.endpoint_id === id}>${one.endpoint_id}</option>`)}</optgroup>`)}
  </select></label>`;
}

/** Return the input that the URL carries, and what is wrong with it. */
function inputOf(text) {
  if (!text) return { input: {} };
  try {
    const input = JSON.parse(text);
    if (isObject(input)) return { input };
  } catch {
    // Said below.
  }
  return { input: {}, wrong: "The input in the URL is not a JSON object, so the form begins empty." };
}

function Tools({ endpoint, query }) {
  const { endpoint_id: id } = endpoint;
  const [{ input, wrong }, setInput] = useState(() => inputOf(query.input));
  const [touched, touch] = useState(Boolean(query.input));
  const [seen, see] = useState(endpoint.fields.length ? "Form" : "JSON");
  const [key, setKey] = useState(tenant.value || "falkit");
  const entry = query.way === "run" ? "run" : "queue";
  const text = JSON.stringify(input);
  const inUrl = useRef(query.input ?? "");
  const check = useCheck(id, input);
  const illegal = useIllegal(endpoint, input);
  const run = useRun();
  const change = (of) => {
    touch(true);
    setInput((before) => ({ input: typeof of === "function" ? of(before.input) : of }));
  };
  useEffect(() => {
    const short = text === "{}" || text.length > LONGEST ? "" : text;
    if (wrong || short === inUrl.current) return;
    inUrl.current = short;
    setQuery({ input: short });
  }, [text]);
  // Another link to the same endpoint was followed.
  useEffect(() => {
    // What was changed since this was drawn is in the URL already.
    const given = parse(location.hash).query.input ?? "";
    if (given === inUrl.current) return;
    inUrl.current = given;
    setInput(inputOf(given));
    touch(true);
  }, [query.input]);

  // The run says again what the check said.
  const errors = unique([...(check.value?.errors ?? []), ...(run.of === text ? run.errors : [])].map(fieldError));
  const shown = errors.filter(({ type }) => touched || run.of || type !== "missing");
  const texts = useMemo(() => Object.fromEntries(Object.entries(LANGUAGES).map(([language, name]) => [name, codeOf(language, { endpoint: id, input, key, entry })])), [id, text, key, entry]);
  const start = () => {
    touch(true);
    run.start({ id, text, key, entry });
  };
  return html`${wrong && html`<p class="error" role="alert"><${Icon} name="failed" />${wrong}</p>`}
    <div class="halves bench">
      <section aria-labelledby="input"><div class="sectionhead"><h2 id="input">Input</h2>
        ${endpoint.fields.length > 0 && html`<${Tabs} names=${["Form", "JSON"]} chosen=${seen} choose=${(name) => (name !== seen && unread.value ? say("Not JSON yet: finish it first, or empty it", true) : see(name))} label="Edit the input as" />`}
        <button disabled=${!Object.keys(endpoint.example).length} onClick=${() => change(endpoint.example)}>Fill with the example</button>
        <button disabled=${text === "{}"} onClick=${() => change({})}>Clear</button></div>
        ${endpoint.rules.map(({ message }) => html`<p key=${message} class="hint"><${Icon} name="note" /><span>${message}</span></p>`)}
        ${seen === "Form"
          ? html`<${Form} endpoint=${endpoint} input=${input} change=${change} errors=${shown} illegal=${illegal} key_=${key} />`
          : html`<${JsonText} named=${{ "aria-label": "Input as JSON" }} rows=${Math.min(30, Math.max(8, JSON.stringify(input, null, 2).split("\n").length + 1))} object value=${input} put=${change} />
            <${Errors} errors=${shown} />
            ${endpoint.fields.length === 0 && html`<p class="dim">The document names no fields: it takes any JSON object.</p>`}`}
      </section>
      <div class="aside">
        <section aria-labelledby="call"><div class="sectionhead"><h2 id="call">Call</h2><${Copy} text=${() => location.href} label="Copy link to this request">Copy link<//></div>
          ${unread.value ? html`<div class="verdict" role="status"><p class="error"><${Icon} name="failed" /><span>Not JSON yet, so there is nothing to run.</span></p></div>` : html`<${Verdict} check=${check} errors=${errors} />`}
          <div class="callline">
            <label>Key <input value=${key} spellcheck=${false} autocomplete="off" onInput=${({ target }) => setKey(target.value)} /></label>
            <div class="segments" role="radiogroup" aria-label="Via">${[["queue", "by the queue"], ["run", "directly (fal.run)"]].map(([name, words]) => html`<label key=${name}><input type="radio" name="way" checked=${entry === name} onChange=${() => setQuery({ way: name === "run" ? "run" : "" })} /><span>${words}</span></label>`)}</div>
            <button class="primary" disabled=${run.busy || unread.value > 0} onClick=${start}>${run.busy ? "Running…" : "Run"}</button>
          </div>
          ${text.length > LONGEST && html`<p class="hint"><${Icon} name="note" /><span>The input is too long for a link, so the URL doesn't carry it.</span></p>`}
        </section>
        <${Run} run=${run} endpoint=${endpoint} />
        <section aria-labelledby="code"><h2 id="code">As code</h2>${unread.value ? html`<p class="dim">Once the input is JSON.</p>` : html`<${Codes} texts=${texts} />`}</section>
      </div>
    </div>`;
}

/** What fal would say of the input, and its price. */
function Verdict({ check, errors }) {
  const { value, error } = check;
  if (error) return html`<p class="error"><${Icon} name="failed" />${error.message}</p>`;
  if (!value) return html`<p class="verdict dim">Checking…</p>`;
  const missing = errors.filter(({ type }) => type === "missing");
  const wrong = errors.length - missing.length;
  const said = [missing.length && `missing: ${missing.map(({ path }) => path.join(".")).join(", ")}`, wrong === 1 ? at(errors.find(({ type }) => type !== "missing")) : wrong && plural(wrong, "error")].filter(Boolean).join("; ");
  return html`<div class="verdict" role="status">
    ${errors.length
      ? html`<p class=${wrong ? "error" : "dim"}><${Icon} name=${wrong ? "failed" : "queued"} /><span>Not a legal input yet; ${said}</span></p>`
      : html`<p class="ok"><${Icon} name="done" /><span>A legal input</span></p><p class="price"><b>${value.price === null ? (value.rate ?? "price not known") : money(value.price)}</b> ${value.rate && html`<span class="dim">at fal${value.price && `, ${value.rate}`}</span>`}</p>`}
    ${value.hint && html`<p class="hint"><${Icon} name="note" /><span>${value.hint}</span></p>`}
  </div>`;
}

const Errors = ({ errors }) => errors.map(({ path, text }) => html`<p key=${path.join(".") + text} class="error"><${Icon} name="failed" /><span>${at({ path, text })}</span></p>`);

const at = ({ path, text }) => `${path.join(".")}${path.length ? ": " : ""}${text}`;

const fieldError = ({ loc = [], msg, type }) => ({ path: loc[0] === "body" ? loc.slice(1) : [], text: msg, type });

const unique = (errors) => [...new Map(errors.map((one) => [at(one), one])).values()];

/** Check an input once it has been left alone for a moment; nothing is run for it. */
function useCheck(id, input) {
  const [state, setState] = useState({});
  const text = JSON.stringify(input);
  const live = connection.value === "live";
  useEffect(() => {
    const stop = new AbortController();
    const wait = setTimeout(() => {
      call("POST", `/endpoints/${id}/check`, { body: { input }, signal: stop.signal }).then(
        (value) => setState({ value, of: text }),
        (error) => error.name !== "AbortError" && setState({ error }),
      );
    }, state.value ? QUIET : 0);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [id, text, live]);
  return state;
}

/** Return a function that says why a choice is illegal with the others as they are, or null. */
function useIllegal(endpoint, input) {
  const { endpoint_id: id, combinations, legal, combining, defaults } = endpoint;
  const [rows, setRows] = useState([]);
  useEffect(() => {
    // Where all go together there is nothing to mark.
    if (legal === null || legal === combinations || combinations > MOST) return;
    const stop = new AbortController();
    (async () => {
      const found = [];
      for (let offset = 0; offset < combinations; offset += ROWS) {
        const page = await get(`/endpoints/${id}/combinations`, { limit: ROWS, offset }, { signal: stop.signal });
        found.push(...page.rows);
      }
      setRows(found);
    })().catch(() => {});
    return () => stop.abort();
  }, [id]);
  const now = combining.map((name) => JSON.stringify(input[name] ?? defaults[name]));
  const marks = useMemo(() => reasons(rows, combining, now), [rows, now.join()]);
  return (name, value) => marks.get(`${name} ${JSON.stringify(value)}`) ?? null;
}

/** Return why choices are illegal, by name and value; what isn't chosen may be anything. */
function reasons(rows, names, now) {
  const found = new Map();
  const known = names.map((name) => new Set(rows.map(({ values }) => JSON.stringify(values[name]))));
  for (const { values, legal, why } of rows) {
    const texts = names.map((name) => JSON.stringify(values[name]));
    const other = texts.flatMap((text, place) => (now[place] !== undefined && known[place].has(now[place]) && text !== now[place] ? [place] : []));
    if (other.length > 1) continue;
    for (const place of other.length ? other : names.keys()) {
      const key = `${names[place]} ${texts[place]}`;
      found.set(key, legal || found.get(key) === null ? null : why);
    }
  }
  // Where no choice of an input helps, it is another's that doesn't go with the rest.
  for (const [place, name] of names.entries()) {
    const keys = [...known[place]].map((text) => `${name} ${text}`);
    if (keys.every((key) => found.get(key))) keys.forEach((key) => found.delete(key));
  }
  return found;
}
