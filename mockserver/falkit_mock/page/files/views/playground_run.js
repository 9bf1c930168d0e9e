/** A run from the playground: as any program does it, by the queue with its stream of statuses, or directly. */
import { PAGE_CALLS, follow, get, reach } from "../api.js";
import { clockTime, errorText, line } from "../format.js";
import { Failure, Icon, Link, html, say, useEffect, useFollow, useRead, useRef, useState } from "../parts.js";
import { Output } from "./job_output.js";
import { State } from "./jobs.js";

/** Lines of the log that are kept. */
const LINES = 500;

/** Return where this origin answers for a URL at fal's queue. */
const here = (url) => url.replace(/^https?:\/\/[^/]+/, (origin) => (origin === location.origin ? "" : `/${new URL(origin).host}`));

/** @returns what a run is at, and `start({ id, text, key, entry })`, `cancel()` */
export function useRun() {
  const [state, setState] = useState({ errors: [], logs: [] });
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);
  const learn = (facts) => setState((before) => ({ ...before, ...(typeof facts === "function" ? facts(before) : facts) }));

  const start = async ({ id, text, key, entry }) => {
    stop.current?.abort();
    const mine = (stop.current = new AbortController());
    const headers = { ...PAGE_CALLS, authorization: `Key ${key}`, "content-type": "application/json" };
    const ask = (url, options) => reach(url, { headers, signal: mine.signal, ...options });
    setState({ busy: true, of: text, entry, errors: [], logs: [], job: null, error: null, cancelUrl: null });
    try {
      if (entry === "run") {
        // Which job it is, events tell before the reply does.
        const leave = follow(["job_changed"], (events) => {
          const begun = events.find(({ change, endpoint_id: of, key: by }) => change === "accepted" && of === id && key.startsWith(by));
          if (begun) learn(({ job }) => ({ job: job ?? begun.request_id }));
        });
        const reply = await ask(`/fal.run/${id}`, { method: "POST", body: text }).finally(leave);
        const body = await reply.text();
        learn({ job: reply.headers.get("x-fal-request-id"), ...failure(reply, body) });
      } else {
        const reply = await ask(`/queue.fal.run/${id}`, { method: "POST", body: text });
        const body = await reply.text();
        if (!reply.ok) return learn({ job: null, ...failure(reply, body) });
        const told = JSON.parse(body);
        learn({ job: told.request_id, cancelUrl: here(told.cancel_url), key });
        await streamed(await ask(`${here(told.status_url)}/stream?logs=1`), ({ logs }) =>
          logs?.length && learn((before) => ({ logs: [...before.logs, ...logs].slice(-LINES) })));
        const result = await ask(here(told.response_url));
        learn(failure(result, await result.text()));
      }
    } catch (error) {
      // A job whose stream broke is looked up, now and once the mock is back.
      if (!mine.signal.aborted) learn(({ job }) => (job && (error.status === 0 || error instanceof TypeError) ? {} : { error }));
    } finally {
      if (!mine.signal.aborted) learn({ busy: false });
    }
  };
  const cancel = async () => {
    const reply = await reach(state.cancelUrl, { method: "PUT", headers: { ...PAGE_CALLS, authorization: `Key ${state.key}` } }).catch(({ message }) => say(message, true));
    if (reply?.ok === false) say(`It could not be cancelled: ${line(await reply.text())}`, true);
  };
  return { ...state, start, cancel };
}

/** Return what a reply says is wrong: errors of fields, and for one that is about no field, words. */
function failure(reply, body) {
  if (reply.ok) return {};
  let detail;
  try {
    ({ detail } = JSON.parse(body));
  } catch {
    // Not JSON: said as it is.
  }
  if (Array.isArray(detail)) return { errors: detail };
  return { error: new Error(`${reply.status}: ${line(typeof detail === "string" ? detail : body || reply.statusText)}`) };
}

/** Read a stream of server-sent events to its end. */
async function streamed(reply, tell) {
  if (!reply.ok) throw new Error(`The status was refused: ${reply.status} ${line(await reply.text())}`);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((one) => one.startsWith("data:")).map((one) => one.slice(5).trimStart()).join("\n");
      if (data) tell(JSON.parse(data));
    }
  }
}

/** What came of a run: its state, its log, and its output as the job's page shows it. */
export function Run({ run, endpoint }) {
  const section = useRef(null);
  // Of a run that was begun, the result is seen, wherever one was.
  useEffect(() => run.busy && section.current.scrollIntoView({ block: "nearest" }), [run.busy]);
  if (!run.of) return null;
  return html`<section ref=${section} aria-labelledby="result"><h2 id="result">Result</h2>
    <${Failure} error=${run.error} />
    ${run.errors.length > 0 && html`<p class="error"><${Icon} name="failed" /><span>422: ${run.errors.map(errorText).join("; ")}</span></p>`}
    ${run.job ? html`<${Job} key=${run.job} id=${run.job} run=${run} endpoint=${endpoint} />` : run.busy && html`<p class="dim">Sent…</p>`}
  </section>`;
}

function Job({ id, run, endpoint }) {
  const job = useRead((signal) => get(`/jobs/${encodeURIComponent(id)}`, {}, { signal }), [id, run.busy]);
  useFollow(["job_changed"], 0, job.again, ({ request_id: of }) => of === id);
  const one = job.value;
  const ended = one?.status === "COMPLETED";
  const { error } = job;
  return html`<div class="runhead">
      ${error ? html`<${Failure} error=${error} gone=${html`<p class="error" role="alert"><${Icon} name="failed" />The job is lost: this mock hasn't got it any more.</p>`} />` : one ? html`<${State} job=${one} />` : html`<span class="dim">…</span>`}
      ${error?.status !== 404 && html`<${Link} to="jobs" rest=${id}>The job's page<//>`}
      ${run.cancelUrl && one && !ended && !error && html`<button onClick=${run.cancel}>Cancel</button>`}
    </div>
    ${run.logs.length > 0 && html`<${Log} lines=${run.logs} />`}
    ${one && !error && html`<${Output} job=${one} endpoint=${endpoint} />`}`;
}

function Log({ lines }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return html`<div class="joblog" ref=${box} role="log" aria-label="Log" tabindex="0"><ol>${lines.map((one, place) => html`<li key=${place} class=${one.level === "ERROR" ? "bad" : ""}><time class="dim">${clockTime(Date.parse(one.timestamp) / 1000, true)}</time> ${one.message}</li>`)}</ol></div>`;
}
