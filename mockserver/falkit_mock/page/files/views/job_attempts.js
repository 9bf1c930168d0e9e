/** Attempts to deliver a job's webhook: what was sent and answered, whether the signature is good, and once more. */
import { now, post, tick } from "../api.js";
import { clockTime, duration, iso, plus } from "../format.js";
import { Facts, Failure, Icon, StatusMark, attempt, html, useEffect, useState } from "../parts.js";
import { Body } from "./job_requests.js";

export const WORDS = { acknowledged: "Acknowledged", retry: "To be tried again", failed: "Given up", refused: "Target not allowed", lost: "Lost by a fault" };
export const SHAPES = { acknowledged: "done", retry: "retry", failed: "failed", refused: "cancelled", lost: "warning" };

export function Attempts({ job, attempts, error, again, gone }) {
  tick.value;
  const next = attempts.at(-1)?.next;
  const resend = () => attempt("The webhook is sent again", () => post(`/jobs/${job.request_id}/resend`));
  return html`
    <${Facts} rows=${[["To", html`<code>${job.options.webhook ?? attempts[0]?.url}</code>`], ["Next attempt", next ? `in ${duration(Math.max(0, next - now()))}, at ${clockTime(next)}` : null]]} />
    <${Failure} error=${error} again=${again} />
    ${attempts.length === 0 ? html`<p class="dim">${job.status === "COMPLETED" ? "No attempt is over yet." : "It is sent when the job ends."}</p>` : html`<div class="rows">${attempts.map((one) => html`<${Attempt} key=${one.id} delivery=${one} since=${job.created} next=${after(one, attempts)} gone=${gone} />`)}</div>`}
    ${job.status === "COMPLETED" && !gone && html`<p><button onClick=${resend}>Send the webhook again</button></p>`}`;
}

/** Return the attempt that was made after one that isn't taken; undefined while there is none. */
export const after = (one, attempts = []) => one.next && attempts.find(({ url, number }) => url === one.url && number > one.number);

/** What an attempt is called. */
export const called = ({ cause, number }) => `${cause === "job" ? "attempt" : cause} ${number}`;

/** One attempt as a line that opens to what was sent and answered; `next` is the one after it. */
export function Attempt({ delivery, since, next, gone }) {
  const [open, setOpen] = useState(false);
  const { status, sent, seconds, error, response, faults } = delivery;
  const resend = () => attempt("The same body is sent again, with a new signature", () => post(`/deliveries/${delivery.id}/resend`));
  return html`<details class="item" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>
      <span class="dim when" title=${iso(sent)}>${since === undefined ? clockTime(sent) : plus(sent - since)}</span>
      <span class="verb">${called(delivery)}</span>
      <${StatusMark} state=${SHAPES[status] ?? "note"}>${response?.status_code ?? "no reply"}<//>
      <span class="path">${next ? `Tried again at ${clockTime(next.sent)}` : (WORDS[status] ?? status)}${error && html`: ${error}`}</span>
      <span class="dim number">${duration(seconds)}</span>
      ${faults?.length > 0 && html`<span class="hint warn"><${Icon} name="warning" />fault: ${faults.join(", ")}</span>`}
    </summary>
    ${open && html`<${Delivered} delivery=${delivery} />
      ${!gone && html`<p><button onClick=${resend}>Send this again</button></p>`}`}
  </details>`;
}

/** What was sent and answered, and whether the signature is good. */
export function Delivered({ delivery }) {
  const { request, response, error, url } = delivery;
  return html`<${Signature} delivery=${delivery} />
    <div class="exchange">
      <div><h3>Request</h3>${request ? html`<p class="target"><code>POST ${url}</code></p><${Facts} rows=${Object.entries(request.headers)} /><${Body} of=${request} label="Body that was sent" />` : html`<p class="dim">None was made.</p>`}</div>
      <div><h3>Response ${response?.status_code && html`<span class="dim">${response.status_code}</span>`}</h3>${response?.status_code ? html`<${Facts} rows=${Object.entries(response.headers ?? {})} /><${Body} of=${response} label="Body that was answered" />` : html`<p class="dim">${error ?? "None came."}</p>`}</div>
    </div>`;
}

let published;

/** Return the keys that the mock publishes, as receivers fetch them; `anew` for those of this moment. */
const keys = (anew) => (published = (!anew && published) || fetch("/rest.fal.ai/.well-known/jwks.json").then((reply) => reply.json()).then((set) => set.keys).catch(() => (published = undefined)));

/** Whether a delivery's signature is one of the published keys', checked here as a receiver would. */
function Signature({ delivery }) {
  const [is, setIs] = useState({ state: "queued", text: "Checking the signature…" });
  useEffect(() => {
    verify(delivery.request).then(setIs, () => setIs({ state: "note", text: "This browser can't check Ed25519 signatures here." }));
  }, [delivery.id]);
  return html`<p class="signature"><${StatusMark} state=${is.state}>${is.text}<//></p>`;
}

/**
 * Return a state and a sentence about a request's signature.
 * @param {{headers: Record<string, string>, body: string} | null} request
 */
export async function verify(request) {
  const headers = Object.fromEntries(Object.entries(request?.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const [id, user, timestamp, signature] = ["request-id", "user-id", "timestamp", "signature"].map((name) => headers[`x-fal-webhook-${name}`]);
  if (!signature) return { state: "warning", text: "It wasn't signed." };
  const text = new TextEncoder();
  const hex = (buffer) => [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, "0")).join("");
  const digest = hex(await crypto.subtle.digest("SHA-256", text.encode(request.body)));
  const message = text.encode([id, user, timestamp, digest].join("\n"));
  const made = Uint8Array.from(signature.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  // The mock may have changed its keys since they were fetched.
  for (const anew of [false, true]) {
    for (const { kty, crv, x, kid } of (await keys(anew)) ?? []) {
      const key = await crypto.subtle.importKey("jwk", { kty, crv, x: x.replace(/=+$/, "") }, "Ed25519", false, ["verify"]);
      if (await crypto.subtle.verify("Ed25519", key, made, message)) return { state: "done", text: `The signature is good: this page checked it, by the published key ${(kid ?? x).slice(0, 8)}…` };
    }
  }
  return { state: "failed", text: "The signature is of no published key: receivers refuse it." };
}
