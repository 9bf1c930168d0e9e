/** The requests that a job is about: submit, polls, streams, result, cancel. */
import { get } from "../api.js";
import { count, duration, exchangeCode, line, plus } from "../format.js";
import { Code, Copy, Facts, Failure, Icon, StatusMark, html, useRead, useState } from "../parts.js";
import { purpose } from "./job_timeline.js";

/** Polls in a row of which all but the first and last are folded. */
const MANY = 4;

export function Requests({ job, requests, error, again }) {
  const [all, showAll] = useState(false);
  if (error && !requests) return html`<${Failure} error=${error} again=${again} />`;
  if (!requests) return html`<p class="dim">Loading…</p>`;
  if (!requests.length) return html`<${None} job=${job} />`;
  const first = requests[0].number;
  const rows = requests.map((one) => ({ ...one, what: purpose(one, first) }));
  const shown = all ? rows : folded(rows);
  return html`<div class="rows">${shown.map((one) =>
    one.folded
      ? html`<button key=${`after ${one.after}`} class="plain fold" onClick=${() => showAll(true)}>${one.folded} more like this</button>`
      : html`<${Request} key=${one.number} request=${one} since=${job.created} />`,
  )}</div>`;
}

/** Why there is no request of a job: it was made here, or those before it are gone from the log, too. */
function None({ job }) {
  const { value } = useRead((signal) => get("/requests", { since: 0, limit: 1 }, { signal }), []);
  const oldest = value?.requests[0];
  return value && html`<p class="dim">${oldest && (oldest.time < job.created || (oldest.time === job.created && oldest.number === 1)) ? "It was submitted on this page or by the control API, and no program has asked for it yet." : "None is kept: the log has the newest requests only."}</p>`;
}

function folded(rows) {
  const shown = [];
  for (let at = 0; at < rows.length; ) {
    let end = at;
    while (end < rows.length && rows[end].what === rows[at].what && rows[end].status === rows[at].status) end += 1;
    if (end - at > MANY) shown.push(rows[at], { folded: end - at - 2, after: rows[at].number }, rows[end - 1]);
    else shown.push(...rows.slice(at, end));
    at = end;
  }
  return shown;
}

export const failed = ({ status }) => status !== null && (status === 0 || status >= 400);

/** A request's answer by shape, word and colour. */
export function Answer({ of: one }) {
  const { allowed, status } = one;
  const [state, text] =
    allowed !== undefined ? (allowed ? ["note", "left"] : ["cancelled", "refused"])
    : status === null ? ["queued", "open"]
    : [failed(one) ? "failed" : "done", status || "no reply"];
  return html`<${StatusMark} state=${state}>${text}<//>`;
}

export const took = (ms) => ((ms ?? null) === null ? "" : ms < 10 ? `${ms.toFixed(1)} ms` : duration(ms / 1000));

/** One request of the log as a line that opens to its headers and bodies. */
export function Request({ request, since }) {
  const [open, setOpen] = useState(false);
  const { hint, ms, time, method, path, what, faults } = request;
  return html`<details class="item" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>
      ${since !== undefined && html`<span class="dim when">${plus(time - since)}</span>`}
      <span class="verb">${what ?? method}</span>
      <${Answer} of=${request} />
      <span class="path"><code>${method} ${path}</code></span>
      <span class="dim number">${took(ms)}</span>
      ${hint && html`<span class="hint"><${Icon} name="note" />${line(hint, 300)}</span>`}
      ${faults?.length > 0 && html`<span class="hint warn"><${Icon} name="warning" />fault: ${faults.join(", ")}</span>`}
    </summary>
    ${open && html`<${Whole} request=${request} />`}
  </details>`;
}

/** The headers and bodies of a request of the log, which may have them, and of its reply, and the request as code. */
export function Whole({ request }) {
  const { value, error, again } = useRead(async (signal) => ("response" in request ? request : get(`/requests/${request.number}`, {}, { signal })), [request.number, request.status]);
  if (error) return error.status === 404 ? html`<p class="dim">Its headers and bodies aren't kept any more; the mock has those of the newest requests.</p>` : html`<${Failure} error=${error} again=${again} />`;
  if (!value) return html`<p class="dim">Loading…</p>`;
  const { request: sent, response: got, host, method } = value;
  return html`<div class="exchange">
    <div><h3>Request ${sent && html`<span class="copies">Copy as ${Object.entries(exchangeCode(method, host, sent)).map(([language, text]) => html`<${Copy} key=${language} text=${text} label=${`Copy as ${language}`}>${language}<//>`)}</span>`}</h3>
      ${sent ? html`<p class="target"><code>${method} ${sent.target}</code></p><${Facts} rows=${Object.entries(sent.headers)} />${brings(sent) && html`<${Body} of=${sent} label="Body of the request" />`}` : html`<p class="dim">Not kept.</p>`}</div>
    <div><h3>Response ${got && html`<span class="dim">${got.status_code}</span>`}</h3>
      ${got ? html`<${Facts} rows=${Object.entries(got.headers)} /><${Body} of=${got} label="Body of the response" />` : html`<p class="dim">${value.status === null ? "There is none yet." : "None: the connection was cut, or the caller had gone."}</p>`}</div>
  </div>`;
}

/** Whether a request has a body: what most GETs haven't needs no words. */
const brings = ({ body, headers }) => Boolean(body) || "content-length" in headers || "transfer-encoding" in headers;

/** Why a body isn't shown. */
const WHY = {
  unread: "Not read: the answer was clear without it.",
  pieces: "It went piece by piece, and isn't kept.",
  long: "too many to keep",
  binary: "which aren't text",
};

/** A body of a request or response: JSON laid out, text as it is, and of anything else why it isn't there. */
export function Body({ of: { body, size, left_out: why }, label }) {
  if (body) return html`<${Code} text=${pretty(body)} label=${label} />`;
  return html`<p class="dim">${why ? `${size === null ? "" : `${count(size)} bytes, `}${WHY[why]}` : "Empty."}</p>`;
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
