/** Every request as it comes: those to fal's hosts, and what left for others. */
import { get, health, now, remove } from "../api.js";
import { dateTime, dayTime, iso, line } from "../format.js";
import { Kept, Pane, Split, like, useKept } from "../kept.js";
import { VirtualList } from "../list.js";
import { Asked, Empty, Facts, Failure, Filter, Head, Icon, Link, Unlike, found, html, useJobs, useMemo, useRead, useState } from "../parts.js";
import { go, href, setQuery } from "../router.js";
import { Answer, Whole, failed, took } from "./job_requests.js";
import { First } from "./jobs.js";

export const title = ({ rest }) => (rest ? `Request ${rest}` : "Requests");

const KINDS = ["request_answered", "call_left", "connection_refused"];
const FILTERS = ["method", "status", "host", "path", "key", "to", "fault", "request_id"];
const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];
const STATUSES = [["bad", "failed"], "2xx", "3xx", "4xx", "422", "429", "5xx", ["0", "no reply"]];

export function Requests({ params: { rest, query } }) {
  const [asking, ask] = useState(false);
  const rows = useMemo(() => new Kept(read, Math.max(1000, health.value?.settings?.request_log ?? 0) + 1000), []);
  const filtered = useKept(rows, KINDS, row, filter, FILTERS, query);
  const total = rows.total.value;
  const error = rows.error.value;
  const open = (row) => row.number && go("requests", String(row.number), query);
  const list =
    total > 0 &&
    html`<${VirtualList} rows=${rows} label="Requests" noun="request" kind="requests" row=${32} card=${56} head=${HEAD} cells=${(row) => cells(row, rest, query)} open=${open} />`;
  return html`<div class="view full log">
    <${Head} title="Requests" total=${found(total, filtered)} buttons=${html`<button onClick=${() => ask(true)}>Clear…</button>`}>
        <${Filter} name="path" label="Path" type="search" search placeholder="ltx-2" />
        <${Filter} name="method" label="Method" options=${METHODS} />
        <${Filter} name="status" label="Status" options=${STATUSES} />
        <${Filter} name="host" label="Host" placeholder="queue.fal.run" />
        <${Filter} name="key" label="Key" known="keys" />
        <${Filter} name="to" label="To" options=${[["fal", "fal's hosts"], "others"]} />
    <//>
    <${Only} name="fault" words="touched by the fault" value=${query.fault} /><${Only} name="request_id" words="about the job" value=${query.request_id} />
    <${Failure} error=${error} again=${() => rows.load()} />
    ${
      total === 0 &&
      !rest &&
      (filtered
        ? html`<${Unlike} one="request" />`
        : html`<${First} title="No request yet. Send one:" />`)
    }
    <${Split} list=${list} pane=${rest && html`<${Opened} key=${rest} number=${rest} last=${rows.all.size && Math.max(...[...rows.all.values()].map((one) => one.number ?? 0))} />`} />
    ${
      asking &&
      html`<${Asked} danger title="Clear the request log" label="Clear the log" close=${() => ask(false)} act=${() => clear(rows)}>
        <p>The mock forgets all requests, with their headers and bodies. Jobs, findings and what was spent stay.</p><//>`
    }
  </div>`;
}

/** A filter that a link brought, which has no field of its own. */
function Only({ name, words, value }) {
  return value && html`<p class="only">Only those ${words} <code>${value}</code> <button class="small" onClick=${() => setQuery({ [name]: "" })}>Show all</button></p>`;
}

async function clear(rows) {
  await remove("/requests");
  go("requests");
  rows.load();
  return "The log is empty";
}

async function read(signal) {
  const [log, gateway] = await Promise.all([
    get("/requests", { limit: 10_000 }, { signal }),
    // Most mocks have no gateway, and then nothing can leave by it.
    get("/gateway", {}, { signal }).catch((error) => {
      if (error.status !== 404) throw error;
      return { attempts: [] };
    }),
  ]);
  return [...log.requests.map(answered), ...gateway.attempts.slice(-1000).map((one) => left(one, one.allowed))];
}

const answered = ({ kind: _, ...record }) => ({ ...record, id: `request ${record.number}` });

const row = (event) => (event.kind === KINDS[0] ? answered(event) : left(event, event.kind === KINDS[1]));

const left = ({ host, port, time, key }, allowed) => ({
  id: `call ${host}:${port} ${time}`,
  time,
  host,
  path: `:${port}`,
  method: port === 443 ? "TLS" : "HTTP",
  key: "",
  status: null,
  ms: null,
  hint: key ? "with a key of fal's" : null,
  faults: [],
  allowed,
});

function filter({ method, status, host, path, key, to, fault, request_id: id }) {
  const [ofHost, ofPath, ofKey] = [host, path, key].map((one) => one && like(one));
  return (one) =>
    (!method || one.method === method) &&
    (!status || hasStatus(one, status)) &&
    (!host || ofHost(one.host)) &&
    (!path || ofPath(one.path)) &&
    (!key || ofKey(one.key)) &&
    (!to || (to === "others") === (one.allowed !== undefined)) &&
    (!fault || one.faults.includes(fault) || Boolean(one.hint?.includes(`(${fault}:`))) &&
    (!id || one.request_id === id || one.path.includes(id));
}

function hasStatus(one, status) {
  if (one.allowed !== undefined || one.status === null)
    return status === "bad" && one.allowed === false;
  if (status === "bad") return failed(one);
  return /^\dxx$/.test(status)
    ? String(one.status)[0] === status[0] && one.status >= 100
    : one.status === Number(status);
}

const HEAD = html`<span role="columnheader" class="aside">Time</span><span role="columnheader">Status</span><span role="columnheader">Method</span>
  <span role="columnheader">Host and path</span><span role="columnheader" class="aside">Key</span><span role="columnheader" class="number aside">Took</span>`;

const cells = (one, chosen, query) =>
  html` <span role="cell" class="when dim aside" title=${iso(one.time)}>${dayTime(one.time, now())}</span>
    <span role="cell" class="state"><${Answer} of=${one} /></span>
    <span role="cell" class="verb">${one.method}</span>
    <span role="cell" class="what"><a href=${one.number ? href("requests", String(one.number), query) : undefined} tabindex=${one.number ? undefined : 0}
        aria-current=${String(one.number) === chosen ? "true" : undefined}
        ><span class="dim">${one.host}</span>${one.path}</a>
      ${one.faults.length > 0 && html`<span class="flag warn"><${Icon} name="warning" />${one.faults.join(", ")}</span>`}
      ${one.hint && html`<span class="flag"><${Icon} name="note" />${line(one.hint, 160)}</span>`}</span>
    <span role="cell" class="key aside" title=${one.key}>${one.key}</span>
    <span role="cell" class="number aside">${took(one.ms)}</span>`;

/** One request of the log with its headers and bodies. */
function Opened({ number, last }) {
  const { value: one, error, again } = useRead((signal) => get(`/requests/${encodeURIComponent(number)}`, {}, { signal }), [number]);
  const id = one && /(^|\.)fal\.run$/.test(one.host) ? one.request_id : null;
  const isJob = useJobs([id]).length > 0;
  return html`<${Pane} label=${`Request ${number}`} title=${one ? html`<${Answer} of=${one} />${" "}${one.method}${" "}<span class="endpoint">${one.path}</span>` : `Request ${number}`}>
    <${Failure} error=${error} again=${again} gone=${html`<${Empty} title=${number > last ? "There is no such request." : "It isn't kept any more."}><p>The mock has headers and bodies of the newest requests only, and none with${" "}<code>--no-page</code>. ${error?.message}</p><//>`} />
    ${!one && !error && html`<p class="loading">Loading…</p>`}
    ${
      one &&
      html` <${Facts} rows=${[
            ["Time", html`<time title=${iso(one.time)}>${dateTime(one.time, true)}</time>`],
            ["Host", one.host],
            ["Key", one.key],
            ["Took", took(one.ms)],
            isJob ? ["Job", html`<${Link} to="jobs" rest=${id}><code>${id}</code><//>`] : ["Request id", id && html`<code>${id}</code>`],
            ["Faults", one.faults.length > 0 ? html`<span class="warn"><${Icon} name="warning" /> ${one.faults.join(", ")}</span>` : null],
          ]}
        />
        ${one.hint && html`<p class="hint"><${Icon} name="note" /><span>${one.hint}</span></p>`}
        <${Whole} request=${one} />`
    }
  <//>`;
}
