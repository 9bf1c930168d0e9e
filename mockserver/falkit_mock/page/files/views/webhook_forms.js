/** What webhooks are steered by: one without a job, one to another URL, and keys. */
import { get, now, post, remove, tick } from "../api.js";
import { age, iso } from "../format.js";
import { Asked, Codes, Dialog, Empty, StatusMark, Table, attempt, html, useId, useRead } from "../parts.js";
import { WORDS } from "./job_attempts.js";

/** Return what came of an attempt, in a sentence. */
export const came = ({ status, response, url, error }) =>
  `${url}: ${response ? response.status_code : (error ?? "no reply")}, ${(WORDS[status] ?? status).toLowerCase()}`;

/** Send the webhook of a delivery's job to another URL. */
export function Elsewhere({ delivery, close }) {
  const id = useId();
  const act = async (form) =>
    came(await post(`/jobs/${delivery.request_id}/resend`, { url: form.get("url") }));
  return html`<${Asked} title="Send to another URL" label="Send" act=${act} close=${close}>
    <p class="dim">
      The job's webhook, with a new signature. It goes to this machine, and to hosts
      that${" "}<code>--webhook-allow</code>${" "}names.
    </p>
    <label for=${id}>URL</label><input id=${id} name="url" type="url" required value=${delivery.url} autocomplete="off" />
  <//>`;
}

const KINDS = {
  completed: "a job that is done",
  failed: "a job that failed",
  "timed-out": "a job that timed out",
  cancelled: "a job that was cancelled",
  unserialisable: "an output that can't be written as JSON",
  "failed-unserialisable": "a failure that can't be written as JSON",
};

/** Send one webhook without a job. */
export function Trigger({ close }) {
  const id = useId();
  const { value } = useRead((stop) => get("/endpoints", {}, { signal: stop }).then((reply) => reply.endpoints), []);
  const act = async (form) =>
    came(await post("/webhooks/trigger", Object.fromEntries([...form].filter(([, text]) => text))));
  return html`<${Asked} title="Trigger a webhook" label="Send" act=${act} close=${close}>
    <p class="dim">One signed webhook as fal sends it, without a job.</p>
    <label for=${`${id}u`}>Receiver's URL</label><input id=${`${id}u`} name="url" type="url"
      required
      placeholder="http://127.0.0.1:8000/fal"
      autocomplete="off"
    />
    <label for=${`${id}k`}>Of</label><select id=${`${id}k`} name="kind">
      ${Object.entries(KINDS).map(([kind, about]) => html`<option key=${kind} value=${kind}>${about}</option>`)}
    </select>
    <label for=${`${id}e`}>Endpoint</label><input id=${`${id}e`} name="endpoint_id" list=${`${id}l`} placeholder="fal-ai/ltx-2/text-to-video" autocomplete="off" />
    <datalist id=${`${id}l`}>
      ${value?.map((one) => html`<option key=${one.endpoint_id} value=${one.endpoint_id} />`)}
    </datalist>
    <label for=${`${id}r`}>Job's id${" "}<span class="dim">a new one if it is empty</span></label><input id=${`${id}r`} name="request_id" autocomplete="off" />
    <label for=${`${id}y`}>Key's id${" "}<span class="dim">whose user it names</span></label><input id=${`${id}y`} name="key" placeholder="falkit" autocomplete="off" />
  <//>`;
}

/** The keys that sign webhooks, as receivers fetch them. */
export function Keys({ state: { value, again }, close }) {
  const act = async (done, does) => {
    await attempt(done, does);
    again();
  };
  tick.value;
  return html`<${Dialog} title="Keys that sign webhooks" close=${close}>
    <p class="dim">
      Receivers fetch them at${" "}<a href="/rest.fal.ai/.well-known/jwks.json" target="_blank">rest.fal.ai/.well-known/jwks.json</a
      >${" "}and keep them for a day. This page checks signatures by them, in your browser.
    </p>
    ${
      value &&
      html`<${Table} label="Keys" rows=${value.keys} keyOf=${({ number }) => number} columns=${[
          { name: "Key", of: ({ number }) => number },
          {
            name: "Made",
            of: ({ created }) =>
              html`<span title=${iso(created)}>${age(created, now())} ago</span>`,
          },
          {
            name: "Is",
            of: ({ signs, published }) =>
              signs
                ? html`<${StatusMark} state="done">signs<//>`
                : published
                  ? html`<${StatusMark} state="note">published<//>`
                  : html`<${StatusMark} state="cancelled">withdrawn<//>`,
          },
          {
            name: "",
            class: "number",
            of: ({ number, signs, published }) =>
              !signs &&
              published &&
              html`<button class="small" aria-label=${`Withdraw key ${number}`} onClick=${() => act(`Key ${number} isn't published any more`, () => remove(`/webhooks/keys/${number}`))}>
                Withdraw
              </button>`,
          },
        ]}
      />`
    }
    <p class="buttons">
      <button onClick=${() => act("A new key signs from now on; the old ones stay published", () => post("/webhooks/rotate"))}>
        Sign with a new key
      </button>
      <button class="danger" title="What the old ones have signed is refused by receivers that fetch the keys again"
        onClick=${() => act("A new key signs from now on; the old ones are withdrawn", () => post("/webhooks/rotate", { withdraw: true }))}
      >
        Sign with a new key and withdraw the old ones
      </button>
    </p>
  <//>`;
}

/** With no delivery yet: how to have one. */
export function First() {
  const { origin } = location;
  return html`<${Empty} title="No webhook yet. Have one sent:">
    <${Codes} texts=${{
        curl: [
          `curl '${origin}/queue.fal.run/fal-ai/ltx-2/text-to-video?fal_webhook=http://127.0.0.1:8000/fal' \\`,
          '  -H "Authorization: Key falkit" -H "Content-Type: application/json" \\',
          `  -d '{"prompt": "Rain on a tin roof"}'`,
        ].join("\n"),
        Python: [
          "import fal_client",
          "",
          `fal_client.submit("fal-ai/ltx-2/text-to-video", {"prompt": "Rain"},`,
          '                  webhook_url="http://127.0.0.1:8000/fal")',
        ].join("\n"),
        "A receiver": "# shows what comes, and whether its signature is good\nfalkit listen",
      }}
    />
    <p class="dim">
      Webhooks go to this machine, and to hosts that${" "}<code>--webhook-allow</code>${" "}names.
    </p>
  <//>`;
}
