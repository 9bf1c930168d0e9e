/** Jobs as they come, newest first. */
import { follow, get, now, ready, tick } from "../api.js";
import { age, anywhere, glob, line, money, shortId } from "../format.js";
import { Rows, VirtualList } from "../list.js";
import { Thumbnail } from "../media.js";
import { Codes, Empty, EndpointId, Failure, Filter, Head, STATES, StatusMark, Unlike, found, html, stateOf, useEffect, useMemo } from "../parts.js";
import { go, href } from "../router.js";

export const title = "Jobs";

const FILTERS = ["status", "endpoint", "key", "test", "text"];

export function Jobs({ params: { query } }) {
  const wanted = { ...Object.fromEntries(FILTERS.map((name) => [name, query[name]])), endpoint: anywhere(query.endpoint), test: anywhere(query.test) };
  const filtered = FILTERS.some((name) => wanted[name]);
  const of = JSON.stringify(wanted);
  const rows = useMemo(() => new Rows((offset, limit, signal) => read(wanted, offset, limit, signal), Boolean(wanted.status || wanted.test || wanted.text)), [of]);
  useEffect(() => {
    // Typing in a filter reads once it pauses.
    const wait = setTimeout(() => ready.then(() => rows.load()), filtered ? 150 : 0);
    const leave = follow(["job_changed", "reset"], (events) => take(rows, events, wanted));
    return () => {
      clearTimeout(wait);
      leave();
      rows.stop();
    };
  }, [rows]);
  const total = rows.total.value;
  const error = rows.error.value;
  return html`<div class="view full">
    <${Head} title="Jobs" total=${found(total, filtered)}>
        <${Filter} name="text" label="Text" type="search" search placeholder="prompt, id, endpoint" />
        <${Filter} name="status" label="Status" options=${CHOICES} />
        <${Filter} name="endpoint" label="Endpoint" placeholder="ltx-2" known="endpoints" />
        <${Filter} name="key" label="Key" placeholder="whole id" known="keys" />
        <${Filter} name="test" label="Test" placeholder="test_video.py" />
    <//>
    <${Failure} error=${error} again=${() => rows.load()} />
    ${total === 0 && (filtered
      ? html`<${Unlike} one="job" />`
      : html`<${First} />`)}
    ${total > 0 && html`<${VirtualList} rows=${rows} label="Jobs" noun="job" head=${HEAD} cells=${(job) => cells(job, query)} open=${({ id }) => go("jobs", id, query)} />`}
  </div>`;
}

const CHOICES = Object.entries({
  IN_QUEUE: "Queued", IN_PROGRESS: "Running", DONE: "Done", FAILED: "Failed", CANCELLED: "Cancelled",
});
// Ways to end, which at fal are one status.
const STATUSES = { DONE: ["result", "ok"], FAILED: ["result", "failed"], CANCELLED: ["result", "cancelled"] };

async function read({ status, ...wanted }, offset, limit, signal) {
  const [name, value] = STATUSES[status] ?? ["status", status];
  const reply = await get("/jobs", { ...wanted, [name]: value, offset, limit, total: true }, { signal });
  return { rows: reply.jobs.map((job) => ({ ...job, id: job.request_id })), total: reply.total };
}

/** Take up what happened to jobs. */
function take(rows, events, wanted) {
  if (events.some(({ kind }) => kind !== "job_changed")) return rows.load();
  let came = 0;
  for (const event of events) {
    if (event.change === "accepted") came += fits(event, wanted) ? 1 : 0;
    else if (event.change === "started") rows.patch(event.request_id, { status: "IN_PROGRESS", starts: event.time });
    else rows.patch(event.request_id, { status: "COMPLETED", ends: event.time, result: ended(event), error: why(event.error) });
  }
  // Which jobs have a status changes with every event.
  if (came || wanted.status) rows.came(came);
}

const ended = ({ cancelled, error }) => (cancelled ? "cancelled" : error ? "failed" : "ok");

/** Return an event's error as lists of jobs have it. */
const why = (error) => error && (error.field ? `${error.field}: ${error.message}` : error.message);

function fits({ key, endpoint_id }, wanted) {
  if (wanted.key && key !== wanted.key) return false;
  return !wanted.endpoint || glob(wanted.endpoint).test(endpoint_id);
}


const HEAD = html`<span role="columnheader">Status</span><span role="columnheader"><span class="sr">Output</span></span>
  <span role="columnheader">Endpoint</span><span role="columnheader">Prompt</span><span role="columnheader">Key</span>
  <span role="columnheader" class="number">Age</span><span role="columnheader" class="number">Cost</span>`;

const cells = (job, query) => html`
  <span role="cell" class="state"><${State} job=${job} /></span>
  <span role="cell" class="thumb">${job.thumbnail && html`<${Thumbnail} key=${job.thumbnail.url} url=${job.thumbnail.url} type=${job.thumbnail.content_type} />`}</span>
  <span role="cell" class="which"><${EndpointId} id=${job.endpoint_id} /></span>
  <span role="cell" class="what"><a href=${href("jobs", job.id, query)} dir="auto">${line(job.prompt || "") || html`<span class="dim">${shortId(job.id)}</span>`}</a>${job.error && job.result !== "cancelled" && html`<span class="why">${line(job.error, 140)}</span>`}</span>
  <span role="cell" class="key" title=${job.key}>${job.key}</span>
  <span role="cell" class="number"><${Age} of=${job.created} /></span>
  <span role="cell" class="number cost">${job.cost === null ? "" : money(job.cost)}</span>`;

function Age({ of }) {
  tick.value;
  return html`<time>${age(of, now())}</time>`;
}

/** A job's state, with how far it is by its start and end on the mock's clock. */
export function State({ job }) {
  tick.value;
  const moment = now();
  const state = stateOf(job, moment);
  if (state !== "running" || job.ends === null) return html`<${StatusMark} state=${state}>${state === "failed" && job.status_code ? `Failed ${job.status_code}` : STATES[state]}<//>`;
  const share = Math.min(1, Math.max(0, (moment - job.starts) / Math.max(0.001, job.ends - job.starts)));
  return html`<${StatusMark} state="running"><span class="sr">Running </span>${Math.floor(share * 100)} %<//><progress max="1" value=${share} aria-label="Progress"></progress>`;
}

/** With no job yet: the lines that start one. */
export function First({ title = "No job yet. Start one:" }) {
  const request = { endpoint: "fal-ai/ltx-2/text-to-video/fast", input: { prompt: "Rain on a tin roof" } };
  return html`<${Empty} title=${title}>
    <${Codes} texts=${firsts(request)} />
    <p class="dim">It shows up here by itself. Any key is taken, nothing is sent to fal, and nothing costs anything.</p>
  <//>`;
}

function firsts({ endpoint, input }) {
  const { origin } = location;
  return {
    curl: [
      `curl ${origin}/queue.fal.run/${endpoint} \\`,
      '  -H "Authorization: Key falkit" \\',
      '  -H "Content-Type: application/json" \\',
      `  -d '${JSON.stringify(input)}'`,
    ].join("\n"),
    Python: [
      "from falkit_client import Client",
      `client = Client(key="falkit", base_url="${origin}")`,
      `result = client.subscribe("${endpoint}", ${JSON.stringify(input)})`,
      "print(result.output)",
    ].join("\n"),
    JavaScript: [
      'import { fal } from "@fal-ai/client";',
      `fal.config({ credentials: "falkit", proxyUrl: { url: "${origin}/api/fal/proxy", when: "always" } });`,
      `const { data } = await fal.subscribe("${endpoint}", { input: ${JSON.stringify(input)} });`,
      "console.log(data);",
    ].join("\n"),
    "falkit run": [
      "# your program, unchanged, on a mock of its own; --page keeps it to look at",
      "falkit run --page -- python app.py",
      "falkit run --page -- node app.mjs",
      "falkit run --page -- pytest",
    ].join("\n"),
  };
}
