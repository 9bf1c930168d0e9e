/** One job: its course, what it was asked, what it answered, and buttons. */
import { get, now, post, ready, tick } from "../api.js";
import { LANGUAGES, age, codeOf, dateTime, duration, errorText, money, shortId } from "../format.js";
import { Codes, Copy, Empty, EndpointId, Facts, Failure, Icon, Link, STATES, StatusMark, html, isExpired, stateOf, useFollow, useMemo, useRead, useRef } from "../parts.js";
import { Actions } from "./job_actions.js";
import { Attempts } from "./job_attempts.js";
import { Input } from "./job_input.js";
import { Output } from "./job_output.js";
import { Requests } from "./job_requests.js";
import { Timeline } from "./job_timeline.js";
import { State } from "./jobs.js";

export const title = ({ rest }) => `Job ${shortId(rest)}`;

/** Milliseconds between two readings that events ask for. */
const PAUSE = 250;

export function Job({ params: { rest: id, query } }) {
  const job = useRead(
    (signal) => ready.then(() => get(`/jobs/${encodeURIComponent(id)}`, {}, { signal })),
    [id],
  );
  // What was shown of a job stays, when the mock has lost it.
  const had = useRef({}).current;
  const keep = (name) => (reply) => (had[name] = reply[name].length ? reply[name] : (had[name] ?? []));
  const requests = useRead((signal) => get("/requests", { request_id: id, limit: 1000 }, { signal }).then(keep("requests")), [id]);
  const attempts = useRead((signal) => get("/deliveries", { request_id: id }, { signal }).then(keep("deliveries")), [id]);
  const endpointId = job.value?.endpoint_id;
  const endpoint = useRead(
    (signal) => (endpointId ? optional(get(`/endpoints/${endpointId}`, {}, { signal })) : nothing),
    [endpointId],
  );
  const check = useRead(
    (signal) =>
      endpointId
        ? optional(post(`/endpoints/${endpointId}/check`, { input: job.value.input ?? {} }))
        : nothing,
    [endpointId, id],
  );
  const findings = useRead(
    () =>
      optional(get("/report").then(({ findings }) => keep("findings")({ findings: findings.filter((one) => one.request_id === id) }))),
    [id],
  );
  // What is read again, by the event that tells of a change.
  for (const [kind, part] of [["job_changed", job], ["request_answered", requests], ["delivery_attempted", attempts], ["finding_made", findings]])
    useFollow([kind, "reset"], PAUSE, part.again, (event) => event.kind !== kind || event.request_id === id);

  const one = job.value;
  const gone = job.error?.status === 404;
  const code = useMemo(() => one && texts(one), [one?.request_id]);
  // The heading stays the same element, since it has the focus by the time that the job is here.
  return html`<div class="view job">
    <header class="jobhead">
      <div>
        <p class="crumb">
          <${Link} to="jobs" query=${query}>Jobs<//> / <code>${id}</code>${" "}
          <${Copy} text=${id} label="Copy the job's id" />
        </p>
        <h1 tabindex="-1">
          ${
            one
              ? html`<${State} job=${one} /> <${Expired} job=${one} /><${EndpointId} id=${one.endpoint_id} />`
              : `Job ${shortId(id)}`
          }
        </h1>
        ${one && html`${!gone && html`<${Actions} job=${one} query=${query} again=${job.again} />`}<${About} job=${one} />`}
      </div>
    </header>
    <${Failure}
      ...${job}
      gone=${html`<${Empty} title=${one ? "It is not there any more." : "This mock has no such job."}><p>
          ${one ? "What you see is what there was:" : "It was never here, or"} the mock was reset or
          started anew, or the job was forgotten after its time.
        </p>
        <p><${Link} to="jobs" query=${query}>Go to the jobs<//></p><//>`} />
    ${
      one
        ? html`<${Parts} ...${{ one, gone, code, requests, attempts, endpoint, check, findings }} />`
        : !job.error && html`<p class="loading">Loading…</p>`
    }
  </div>`;
}

function Parts({ one, gone, code, requests, attempts, endpoint, check, findings }) {
  return html` <${Why} job=${one} findings=${findings.value} attempt=${attempts.value?.at(-1)} />
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      <${Timeline} job=${one} requests=${requests.value ?? []} attempts=${attempts.value ?? []} />
    </section>
    <div class="halves">
      <section aria-labelledby="input">
        <h2 id="input">Input</h2>
        <${Input} job=${one} endpoint=${endpoint.value} check=${check.value} />
      </section>
      <section aria-labelledby="output">
        <h2 id="output">Output</h2>
        <${Output} job=${one} endpoint=${endpoint.value} />
      </section>
    </div>
    ${
      (one.options.webhook || attempts.value?.length > 0) &&
      html`<section aria-labelledby="webhook">
        <h2 id="webhook">Webhook</h2>
        <${Attempts} job=${one} attempts=${attempts.value ?? []} error=${attempts.error} again=${attempts.again} gone=${gone} />
      </section>`
    }
    <section aria-labelledby="requests">
      <h2 id="requests">Requests</h2>
      <${Requests} job=${one} requests=${requests.value} error=${requests.error} again=${requests.again} />
    </section>
    <section aria-labelledby="code">
      <h2 id="code">The same request as code</h2>
      <${Codes} texts=${code} />
    </section>`;
}

const nothing = Promise.resolve(null);

/** What a mock of another version may not have. */
const optional = (asked) =>
  asked.catch((error) => {
    if (error.name === "AbortError") throw error;
    return null;
  });

function Expired({ job }) {
  tick.value;
  return isExpired(job) && html`<${StatusMark} state="expired">Expired<//> `;
}

function About({ job }) {
  tick.value;
  const { options } = job;
  return html`<${Facts} rows=${[
      [
        "Submitted",
        html`<time title=${job.created_at}>${dateTime(job.created, true)}</time>${" "}
          <span class="dim">(${age(job.created, now())})</span>`,
      ],
      ["Key", job.key],
      [
        "Cost",
        job.cost === null
          ? { ok: "not known", failed: "nothing", cancelled: "nothing" }[job.result]
          : html`<b>${money(job.cost)}</b> at fal`,
      ],
      ["Via", job.entry === "queue" ? "queue" : `${job.entry} (answered with the result)`],
      ["Place", job.status === "IN_QUEUE" ? `${job.queue_position + 1} in the queue` : null],
      ["Attempts", job.attempts > 1 ? job.attempts : null],
      ["Priority", options.priority === "normal" ? null : options.priority],
      ["Start within", options.start_within === null ? null : duration(options.start_within)],
      ["Tags", options.tags?.length ? options.tags.map(String).join(", ") : null],
      [
        "Test",
        job.test && html`<${Link} to="jobs" query=${{ test: `"${job.test}"` }}>${job.test}<//>`,
      ],
    ]}
  />`;
}

/** Why it failed, and what was found about it: what one came for. */
function Why({ job, findings, attempt }) {
  const failed = stateOf(job, now()) === "failed";
  // One that the request names is told of where it is named and where it applies.
  const kept = Object.entries(job.faults ?? {}).flatMap(([place, of]) => [of].flat().map(nameOf(place)));
  const faults = [...new Set(kept)];
  const untaken = attempt && attempt.status !== "acknowledged";
  if (!failed && !findings?.length && !faults.length && !untaken) return null;
  return html`<div class="why">
    ${failed && html`<p class="bad"><${Icon} name="failed" /><span><b>${STATES.failed} with ${job.outcome?.status_code}</b> ${reason(job)}</span></p>`}
    ${faults.length > 0 && html`<p class="warn"><${Icon} name="warning" /><span><b>On purpose:</b> ${faults.join(", ")}</span></p>`}
    ${untaken && html`<p class="warn"><${Icon} name="warning" /><span><b>The webhook isn't taken:</b> ${said(attempt)}</span></p>`}
    ${findings?.map(
      (one) =>
        html`<p key=${one.fingerprint} class=${one.severity}>
          <${Icon} name=${one.severity === "note" ? "note" : one.severity === "error" ? "failed" : "warning"} /><span><b>${one.code}</b> ${one.seen}${" "}
            <${Link} to="findings" query=${{ code: one.code }}>What to do<//></span>
        </p>`,
    )}
  </div>`;
}

/** What came of the newest attempt at the webhook, and what comes next. */
function said({ number, response, error, next, sent }) {
  const got = response?.status_code ? `answered ${response.status_code}` : (error ?? "no reply");
  const then = next ? `the next is ${duration(next - sent)} later` : "not tried again";
  return `attempt ${number}: ${got}, ${then}`;
}

/** Return the fault's name in what is kept of a fault; of one that a request names, its rule as it is written. */
const nameOf = (place) => (value) =>
  value.name === "chosen by hand"
    ? "ended by hand"
    : value.name
      ? (place === "webhook" ? "webhook_" : "") + value.name
      : value.rule
        ? `output of ${value.rule}`
        : value;

function reason({ outcome, error }) {
  const detail = outcome?.body?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map(errorText).join("; ");
  return error ?? outcome?.error ?? "";
}

function texts({ endpoint_id: endpoint, input, key, entry, options }) {
  const request = { endpoint, input, key: key || "falkit", entry, webhook: options.webhook };
  return Object.fromEntries(Object.entries(LANGUAGES).map(([language, name]) => [name, codeOf(language, request)]));
}
