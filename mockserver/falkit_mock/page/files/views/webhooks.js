/** Attempts to deliver webhooks, those still to come, and the keys that sign them. */
import { get, now, post, tick } from "../api.js";
import { SCHEDULES, clockTime, dateTime, dayTime, duration, iso, line, plural, shortId } from "../format.js";
import { Kept, Pane, Split, like, useKept } from "../kept.js";
import { VirtualList } from "../list.js";
import { Empty, EndpointId, Facts, Failure, Filter, Head, Icon, Link, StatusMark, Table, Unlike, attempt, found, html, say, signal, useFollow, useJobs, useMemo, useRead, useState } from "../parts.js";
import { go, href } from "../router.js";
import { Delivered, SHAPES, WORDS, after, called } from "./job_attempts.js";
import { Elsewhere, First, Keys, Trigger, came } from "./webhook_forms.js";

export const title = "Webhooks";

/** How many are read at first, and with each button for more. */
const MANY = 200;
const FILTERS = ["status", "url", "cause", "request_id"];
const CAUSES = ["job", "resend", "trigger", "fault", "probe"];

export function Webhooks({ params: { rest, query } }) {
  const [dialog, setDialog] = useState(null);
  const older = useMemo(() => signal(null), []);
  const rows = useMemo(() => new Kept((stop) => read(older, {}, stop), 20_000), []);
  const state = useRead((stop) => get("/webhooks", { limit: 1000 }, { signal: stop }), []);
  useFollow(["delivery_attempted", "job_changed", "reset"], 300, state.again);
  const filtered = useKept(rows, ["delivery_attempted"], row, filter, FILTERS, query);
  const total = rows.total.value;
  const error = rows.error.value ?? state.error;
  const close = () => setDialog(null);
  const retry = () => (rows.load(), state.again());
  const more =
    older.value &&
    html`<button class="more" onClick=${() =>
        read(older, { cursor: older.value }).then((found) => rows.take(found), (wrong) => say(wrong.message, true))}
    >
      Show older ones
    </button>`;
  const list =
    total > 0 &&
    html`<${VirtualList} rows=${rows} label="Deliveries" noun="delivery" kind="deliveries" row=${32} card=${56} head=${HEAD} cells=${(one) => cells(one, rest, query)}
        open=${({ id }) => go("webhooks", id, query)}
      />${more}`;
  return html`<div class="view full">
    <${Head} title="Webhooks" label="Deliveries" total=${found(total, filtered)} buttons=${html`<span class="buttons"><button onClick=${() => setDialog("trigger")}>Trigger…</button
        ><button onClick=${() => setDialog("keys")}>Keys…</button></span>`}>
        <${Filter} name="url" label="Receiver" type="search"
          search
          placeholder="http://127.0.0.1:8000/*"
        />
        <${Filter} name="status" label="Verdict" options=${[["untaken", "Not taken"], ...Object.entries(WORDS)]} />
        <${Filter} name="cause" label="Cause" options=${CAUSES} />
        <${Filter} name="request_id" label="Job" />
    <//>
    <${Failure} error=${error} again=${retry} />
    ${!filtered && !rest && state.value && html`<${Pending} state=${state.value} />`}
    ${
      total === 0 &&
      !rest &&
      (filtered
        ? html`<${Unlike} one="delivery" all="deliveries" view="webhooks" />`
        : html`<${First} />`)
    }
    <${Split} list=${list} pane=${rest && html`<${Opened} key=${rest} id=${rest} />`} />
    ${dialog === "keys" && html`<${Keys} state=${state} close=${close} />`}
    ${dialog === "trigger" && html`<${Trigger} close=${close} />`}
  </div>`;
}

/** When webhooks were last taken, by job and receiver. */
const taken = new Map();
const hook = (one) => `${one.request_id} ${one.url}`;

async function read(older, { cursor }, stop) {
  if (!cursor) taken.clear();
  const reply = await get("/deliveries", { limit: MANY, cursor }, { signal: stop });
  older.value = reply.next_cursor;
  return reply.deliveries.map(row);
}

/** Return a delivery, of a list or of an event, as a row. */
const row = ({ kind: _, request: __, response, status_code: code, ...one }) => {
  if (one.status === "acknowledged") taken.set(hook(one), Math.max(one.sent, taken.get(hook(one)) ?? 0));
  return { ...one, time: one.sent, code: code ?? response?.status_code ?? null };
};

/** Whether an attempt isn't taken, but a later one of the same webhook is. */
const later = (one) => one.status !== "acknowledged" && taken.get(hook(one)) >= one.sent;

function filter({ status, url, cause, request_id: id }) {
  const ofUrl = url && like(url);
  return (one) =>
    (!status || (status === "untaken" ? one.status !== "acknowledged" && !later(one) : one.status === status)) &&
    (!url || ofUrl(one.url)) &&
    (!cause || one.cause === cause) &&
    (!id || one.request_id.includes(id));
}

const HEAD = html`<span role="columnheader" class="aside">Time</span><span role="columnheader">Verdict</span><span role="columnheader" class="aside">Attempt</span>
  <span role="columnheader">Job</span><span role="columnheader">Receiver</span><span role="columnheader" class="aside">Next</span><span role="columnheader" class="number aside">Took</span>`;

const cells = (one, chosen, query) =>
  html` <span role="cell" class="when dim aside" title=${iso(one.sent)}>${dayTime(one.sent, now())}</span>
    <span role="cell" class="state"><${Verdict} of=${one} /></span>
    <span role="cell" class="verb aside">${called(one)}</span>
    <span role="cell" class="which" title=${one.prompt}>${one.endpoint_id && html`<${EndpointId} id=${one.endpoint_id} />${" "}`}<span class="dim">${line(one.prompt || shortId(one.request_id))}</span
      ></span>
    <span role="cell" class="what"><a href=${href("webhooks", one.id, query)} aria-current=${one.id === chosen ? "true" : undefined}>${one.url.replace("http://", "")}</a>
      ${one.faults?.length > 0 && html`<span class="flag warn"><${Icon} name="warning" />${one.faults.join(", ")}</span>`}
      ${one.error && html`<span class="flag" title=${one.error}>${reason(one)}</span>`}</span>
    <span role="cell" class="key aside">${one.next && html`<${Until} moment=${one.next} ahead />`}</span>
    <span role="cell" class="number aside">${duration(one.seconds)}</span>`;

/** Why there was no answer, without the URL that stands beside it. */
const reason = ({ error }) => error.replace(/^can't connect to \S+: /, "");

const SHORT = {
  acknowledged: "taken",
  retry: "retry",
  failed: "given up",
  refused: "not allowed",
  lost: "lost",
};

/** What came of an attempt, by shape, word and colour. */
const Verdict = ({ of }) => {
  const { status, code } = of;
  return html`<${StatusMark} state=${SHAPES[status] ?? "note"}>${code ?? (status === "refused" ? "" : "no reply")}${status === "refused" ? "" : ", "}<span title=${WORDS[status]}
      >${later(of) ? "taken later" : (SHORT[status] ?? status)}</span><//>`;
};

/** How long it is until a moment, by the mock's clock. */
function Until({ moment, ahead }) {
  tick.value;
  const left = moment - now();
  if (ahead && left < 0) return null;
  return html`<time title=${iso(moment)}>${left > 0 ? `in ${duration(left < 10 ? Math.ceil(left) : left)}` : "was due"}</time>`;
}

/** Webhooks still to be delivered, the next first. */
function Pending({ state: { pending, waiting, schedule } }) {
  if (!waiting) return null;
  const sorted = [...pending].sort((one, other) => (one.next ?? Infinity) - (other.next ?? Infinity));
  return html`<details class="pending" open>
    <summary>
      <h2>${plural(waiting, "webhook")} to come</h2>
      ${" "}<span class="dim">tried again ${SCHEDULES[schedule.name] ?? schedule.name}; ${duration(schedule.timeout)} for each attempt</span>
    </summary>
    <${Table} label="Webhooks to come" rows=${sorted.slice(0, 50)} keyOf=${(one) => one.request_id} columns=${[
        { name: "Next", class: "nowrap", of: ({ next }) => (next === null ? html`<span class="dim">when the job ends</span>` : html`<${Until} moment=${next} />`) },
        { name: "Tried", class: "number", of: (one) => one.attempts },
        { name: "Receiver", of: (one) => html`<span class="endpoint">${one.url}</span>` },
        { name: "Job", class: "nowrap", of: ({ request_id: id }) => html`<${Link} to="jobs" rest=${id}><code>${shortId(id)}</code><//>` },
      ]}
    />
    ${waiting > 50 && html`<p class="dim">and ${plural(waiting - 50, "other")}</p>`}
  </details>`;
}

/** One attempt with what was sent and answered, and buttons that send it again. */
function Opened({ id }) {
  const [elsewhere, setElsewhere] = useState(false);
  const { value: one, error, again } = useRead((stop) => get(`/deliveries/${encodeURIComponent(id)}`, {}, { signal: stop }), [id]);
  const isJob = useJobs([one?.request_id]).length > 0;
  const of = one?.next && one.request_id;
  const all = useRead(async (stop) => of && get("/deliveries", { request_id: of }, { signal: stop }), [of]);
  useFollow(["delivery_attempted"], 0, all.again, ({ request_id }) => request_id === of);
  const next = one && after(one, all.value?.deliveries);
  const resend = () => attempt(came, () => post(`/deliveries/${id}/resend`));
  return html`<${Pane} label="Delivery" title=${one ? html`<${Verdict} of=${{ ...one, code: one.response?.status_code }} />${" "}<span class="endpoint">${one.url}</span>` : "Delivery"}>
    <${Failure} error=${error} again=${again} gone=${html`<${Empty} title="This mock has no such delivery."><p>${error?.message}</p><//>`} />
    ${!one && !error && html`<p class="loading">Loading…</p>`}
    ${
      one &&
      html` <p class="buttons">
          <button onClick=${resend}>Send again</button><button onClick=${() => setElsewhere(true)}>Send to another URL…</button>
        </p>
        <${Facts} rows=${[
            ["Verdict", `${next ? "Tried again" : (WORDS[one.status] ?? one.status)}${one.error ? `: ${one.error}` : ""}`],
            ["Sent", `${dateTime(one.sent, true)}, ${called(one)}`],
            ["Took", duration(one.seconds)],
            [
              "Next attempt",
              next
                ? html`<${Link} to="webhooks" rest=${next.id}>${called(next)}<//>, at ${clockTime(next.sent)}`
                : one.next && html`<${Until} moment=${one.next} />, at ${clockTime(one.next)}`,
            ],
            isJob ? ["Job", html`<${Link} to="jobs" rest=${one.request_id}><code>${one.request_id}</code><//>`] : ["Request id", html`<code>${one.request_id}</code>`],
            ["Endpoint", one.endpoint_id && html`<${EndpointId} id=${one.endpoint_id} />`],
            ["Prompt", one.prompt && line(one.prompt)],
            ["Faults", one.faults?.length > 0 ? html`<span class="warn"><${Icon} name="warning" /> ${one.faults.join(", ")}</span>` : null],
          ]}
        />
        <${Delivered} delivery=${one} />`
    }
    ${elsewhere && html`<${Elsewhere} delivery=${one} close=${() => setElsewhere(false)} />`}
  <//>`;
}
