/** What views are made of. Views import Preact, signals and `html` from here. */
import { connection, follow, get, now, spent } from "./api.js";
import { count, told } from "./format.js";
import { href, route, setQuery } from "./router.js";
import htm from "./vendor/htm.js";
import { useEffect, useId, useRef, useState } from "./vendor/hooks.js";
import { h } from "./vendor/preact.js";
import { signal } from "./vendor/signals.js";

export { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { render } from "./vendor/preact.js";
export { signal } from "./vendor/signals.js";
export const html = htm.bind(h);

/** What was done last; read out to who can't see it. */
const said = signal({ text: "", bad: false, number: 0 });
let unsaying = 0;

/** Say what came of a button, for some seconds, and to a screen reader. */
export function say(text, bad = false) {
  said.value = { text, bad, number: said.value.number + 1 };
  clearTimeout(unsaying);
  unsaying = setTimeout(() => (said.value = { ...said.value, text: "" }), bad ? 12_000 : 5000);
}

/** Do something that may fail, and say what came of it; returns whether it went well. */
export async function attempt(done, action) {
  try {
    const result = await action();
    say(typeof done === "function" ? done(result) : done);
    return true;
  } catch (error) {
    say(error.message, true);
    return false;
  }
}

/** Where `say` shows. */
export function Said() {
  const { text, bad } = said.value;
  return html`<div class="said" role="status" aria-live="polite">
    ${text && html`<p class=${bad ? "bad" : ""}><${Icon} name=${bad ? "failed" : "done"} />${text}
      <button class="plain" aria-label="Dismiss" onClick=${() => (said.value = { ...said.value, text: "" })}>×</button></p>`}
  </div>`;
}

// Each status has a shape of its own, so that colour is never all that tells them apart.
const SHAPES = {
  queued: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", ""],
  running: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M8 2.5a5.5 5.5 0 0 1 0 11Z"],
  held: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM6.5 6v4M9.5 6v4", ""],
  done: ["M3 8.5l3.2 3.2L13 5", ""],
  failed: ["M4 4l8 8M12 4l-8 8", ""],
  cancelled: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM4.2 4.2l7.6 7.6", ""],
  expired: ["M4.5 2.5h7M4.5 13.5h7M5 2.5c0 4 6 7 6 11M11 2.5c0 4-6 7-6 11", ""],
  warning: ["M8 2.5L14 13H2ZM8 6.5v3M8 11.2v.1", ""],
  note: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM8 7.5v3.5M8 5v.1", ""],
  retry: ["M12.5 8a4.5 4.5 0 1 1-1.3-3.2M11.5 2v3h-3", ""],
};

/** A shape of one of the names above, in the colour of the text around it. */
export function Icon({ name }) {
  const [stroke, fill] = SHAPES[name] ?? SHAPES.note;
  return html`<svg class="icon" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
    <path d=${stroke} fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" />
    ${fill && html`<path d=${fill} fill="currentColor" />`}
  </svg>`;
}

/** Return what a job is by a moment: a name of a shape above. A job is as the control API has it. */
export function stateOf(job, moment) {
  if (job.status !== "COMPLETED") {
    if (job.progression === "held") return "held";
    // Its moments are known, so no event is needed to tell that they have come.
    const started = job.starts !== null && job.starts <= moment;
    return job.status === "IN_PROGRESS" || (started && job.progression === "clock") ? "running" : "queued";
  }
  if (job.result === "cancelled") return "cancelled";
  return job.result === "failed" ? "failed" : "done";
}

export const STATES = {
  queued: "Queued", running: "Running", held: "Held", done: "Done",
  failed: "Failed", cancelled: "Cancelled",
};

/** Whether a job's result is gone, by a button or because its time is over. */
export const isExpired = (job) => job.status === "COMPLETED" && job.expires !== null && job.expires <= now();

/** A state by shape, word and colour. */
export function StatusMark({ state, children }) {
  return html`<span class="status ${state}"><${Icon} name=${state} /><span>${children ?? STATES[state] ?? state}</span></span>`;
}

/** An endpoint's id, of which its own name is what one sees first. */
export function EndpointId({ id }) {
  const at = id.indexOf("/") + 1;
  return html`<span class="endpoint" title=${id}><span class="dim">${id.slice(0, at)}</span>${id.slice(at)}</span>`;
}

/** A button that copies text. */
export function Copy({ text, label = "Copy", children }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      say("The browser didn't let this page copy; select the text instead", true);
    }
  };
  return html`<button class="small" aria-label=${done ? undefined : label} onClick=${copy}>${done ? "Copied" : (children ?? "Copy")}</button>`;
}

/** Code or other text as it is, with a button that copies it. */
export function Code({ text, label }) {
  return html`<div class="code"><pre tabindex="0" aria-label=${label}>${text}</pre><${Copy} text=${text} label="Copy ${label ?? "this"}" /></div>`;
}

/** Code in several languages, one of which is seen; `texts` are by their names. */
export function Codes({ texts }) {
  const names = Object.keys(texts);
  const [chosen, choose] = useState(names[0]);
  return html`<div class="codes">
    <${Tabs} names=${names} chosen=${chosen} choose=${choose} label="Language" />
    <${Code} text=${texts[chosen] ?? texts[names[0]]} label=${chosen} />
  </div>`;
}

/** A row of choices of which one is pressed; arrow keys are the browser's. */
export function Tabs({ names, chosen, choose, label }) {
  return html`<div class="tabs" role="group" aria-label=${label}>${names.map(
    (name) => html`<button key=${name} aria-pressed=${name === chosen} onClick=${() => choose(name)}>${name}</button>`,
  )}</div>`;
}

/** A JSON value as a tree that folds; what is long is cut, and shown whole on demand. */
export function Json({ value, name, depth = 0 }) {
  const label = name === undefined ? "" : html`<span class="name">${name}</span>`;
  if (value === null || typeof value !== "object" || !Object.keys(value).length) {
    return html`<div class="leaf">${label}<${Scalar} value=${value} /></div>`;
  }
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [most, setMost] = useState(100);
  const inner = entries.slice(0, most).map(
    ([key, one]) => html`<${Json} key=${key} value=${one} name=${key} depth=${depth + 1} />`,
  );
  const rest = entries.length - most;
  return html`<details class="tree" open=${depth < 3}>
    <summary>${label}<span class="dim">${list ? `[${entries.length}]` : `{${entries.length}}`}</span></summary>
    <div class="inner">${inner}${rest > 0 && html`<button class="plain" onClick=${() => setMost(most + 1000)}>${count(rest)} more</button>`}</div>
  </details>`;
}

function Scalar({ value }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string") return html`<span class="value ${typeof value}">${value && typeof value === "object" ? (Array.isArray(value) ? "[]" : "{}") : String(value)}</span>`;
  const cut = value.length > 400 && !whole;
  return html`<span class="value string" dir="auto">${cut ? value.slice(0, 300) : told(value)}${cut && html`<button class="plain" onClick=${() => setWhole(true)}>… ${count(value.length)} characters, show all</button>`}</span>`;
}

/** A sentence in which what stands between backticks is code. */
export const Prose = ({ text }) => text.split("`").map((part, place) => (place % 2 ? html`<code key=${place}>${part}</code>` : part));

/** What a view shows when it has nothing to show: what would be here, and how to get it. */
export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2>${children}</div>`;
}

/** What went wrong in words, if anything, with a button that tries again; `gone` is for what isn't there. */
export function Failure({ error, again, gone }) {
  if (!error || (gone && error.status === 404)) return error && gone;
  return html`<div class="failure" role="alert"><${Icon} name="failed" /><p>${error.message}</p>${again && html`<button onClick=${again}>Try again</button>`}</div>`;
}

/** Names beside values. `rows` are pairs; those whose value is null or undefined are left out. */
export function Facts({ rows }) {
  const known = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class="facts">${known.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A table that scrolls sideways by itself, or `stacks` its cells where there is little room. `columns` are `{ name, of, class }`. */
export function Table({ columns, rows, label, stacks = "", keyOf = (_, place) => place }) {
  return html`<div class="table ${stacks && "stacks"}" tabindex="0" role="region" aria-label=${label}><table>
    <thead><tr>${columns.map((column) => html`<th key=${column.name} scope="col" class=${column.class}>${column.name || html`<span class="sr">Buttons</span>`}</th>`)}</tr></thead>
    <tbody>${rows.map((row, place) => html`<tr key=${keyOf(row, place)}>${columns.map((column) => html`<td key=${column.name} class=${column.class} data-name=${column.name}>${column.of(row)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** A dialog over the page; Escape closes it, and focus goes back to where it was. */
export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${dialog} aria-labelledby=${id} onClose=${close} onClick=${(event) => event.target === dialog.current && close()}>
    <div class="dialog"><header><h2 id=${id}>${title}</h2><button class="plain" aria-label="Close" onClick=${close}>×</button></header>${children}</div>
  </dialog>`;
}

/** Mark the field of a form that an error names at its beginning, and no other; go there. */
export function mark(form, error) {
  for (const one of form.elements) one.removeAttribute("aria-invalid");
  const name = /^[\w.]*/.exec(error?.message)[0].split(".").at(-1);
  const field = form.elements[name] ?? form.elements[`match ${name}`];
  field?.setAttribute?.("aria-invalid", "true");
  field?.focus?.();
}

/** A form in a dialog; `act` gets its FormData, and returns what is said of it, or throws what is wrong. */
export function Asked({ title, label, act, close, danger, children }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    mark(event.target);
    try {
      say(await act(new FormData(event.target)));
      close();
    } catch (wrong) {
      setError(wrong);
      setBusy(false);
      mark(event.target, wrong);
    }
  };
  return html`<${Dialog} title=${title} close=${close}>
    <form class="form" onSubmit=${submit}>${children}
      <${Failure} error=${error} />
      <footer><button type="button" onClick=${close}>Cancel</button><button class=${danger ? "danger" : "primary"} disabled=${busy}>${label}</button></footer>
    </form>
  <//>`;
}

/** A labelled field of the query in the URL; an option is a value, or has its words beside it; `search` is where the key / leads, `known` what GET /spend lists to choose from. */
export function Filter({ name, label, options, search, type = "text", placeholder, known }) {
  const id = useId();
  const value = route.value.query[name] ?? "";
  const change = (event) => setQuery({ [name]: event.target.value });
  const choices = options?.map((one) => [one].flat());
  const field = options
    ? html`<select id=${id} value=${value} onChange=${change}>
        <option value="">any</option>
        ${[...(value && !choices.some(([one]) => one === value) ? [[value]] : []), ...choices].map(([one, text = one]) => html`<option key=${one} value=${one} selected=${one === value}>${text}</option>`)}
      </select>`
    : html`<input id=${id} type=${type} value=${value} placeholder=${placeholder} data-search=${search} autocomplete="off" spellcheck=${false} list=${known && `${id}l`} onInput=${change} />${known && html`<datalist id=${`${id}l`}>${spent.value?.[known].slice(0, 200).map(({ key, endpoint_id: id = key }) => html`<option value=${id} />`)}</datalist>`}`;
  return html`<div class="filter"><label for=${id}>${label}</label>${field}</div>`;
}

/** A view's name, what is shown of how much, and its filters with `buttons` behind them. */
export function Head({ title, label = title, total, bare, buttons, children }) {
  return html`<div class="titled ${bare ? "bare" : ""}"><h1 tabindex="-1">${title}</h1>${total && html`<span class="dim total">${total}</span>`}
    <form class="filters" role="search" aria-label=${label} onSubmit=${(event) => event.preventDefault()}>${children}</form>${buttons}</div>`;
}

/** Return how many there are, or fit the filters. */
export const found = (total, filtered) => total !== null && count(total) + (filtered ? " found" : "");

/** What a view shows where nothing fits its filters. */
export const Unlike = ({ one, all = `${one}s`, view = all }) =>
  html`<${Empty} title="No ${one} is like that."><p><${Link} to=${view}>Show all ${all}<//></p><//>`;

/** A link to a view. */
export function Link({ to, rest, query, children, ...others }) {
  return html`<a href=${href(to, rest, query)} ...${others}>${children}</a>`;
}

/** Read something when `of` changes; returns `{ value, error, again }`, with the last value meanwhile. */
export function useRead(read, of) {
  const [state, setState] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    read(stop.signal).then(
      (value) => !stop.signal.aborted && setState({ value }),
      (error) => !stop.signal.aborted && setState((before) => ({ ...before, error })),
    );
    return () => stop.abort();
  }, [...of, turn]);
  const again = () => setTurn((one) => one + 1);
  // A connection that comes back is worth another try; one that was there all along is no reason.
  useEffect(() => {
    let before = connection.value;
    return connection.subscribe((is) => {
      if (is === "live" && before !== is && state.error) again();
      before = is;
    });
  }, [state.error]);
  return { ...state, again };
}

/** Return which of some request ids are jobs': a refusal has an id, too, and some jobs are forgotten. */
export function useJobs(ids) {
  const of = ids.filter(Boolean).join();
  return useRead(async (signal) => of && get("/jobs", { ids: of, limit: 100 }, { signal }), [of]).value?.jobs?.map((job) => job.request_id) ?? [];
}

/** Do something a while after events that matter; where some are missing, all do. */
export function useFollow(kinds, pause, act, matters = () => true) {
  const latest = useRef(null);
  latest.current = [act, matters];
  useEffect(() => {
    let waiting = 0;
    const leave = follow(kinds, (events) => {
      if (events.some((event) => event.kind === "gap" || latest.current[1](event))) waiting ||= setTimeout(() => ((waiting = 0), latest.current[0]()), pause);
    });
    return () => {
      clearTimeout(waiting);
      leave();
    };
  }, []);
}
