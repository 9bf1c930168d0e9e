/** What one can do to a job, and what came of it. */
import { get, now, post, tick } from "../api.js";
import { shortId } from "../format.js";
import { Asked, Failure, Prose, attempt, html, isExpired, say, stateOf, useId, useRead, useState } from "../parts.js";
import { go } from "../router.js";

const SAID = {
  hold: "The job is held",
  release: "The job goes on",
  complete: "The job is done",
  cancel: "The job is cancelled",
  expire: "The job has expired: its status, result and files are 404 now",
  fail: "The job has failed",
};

export function Actions({ job, query, again }) {
  tick.value;
  const [dialog, setDialog] = useState(null);
  const [busy, setBusy] = useState(false);
  const { request_id: id } = job;
  const over = job.status === "COMPLETED";
  const held = stateOf(job, now()) === "held";
  const act = async (name, body, query) => {
    setBusy(true);
    const fine = await attempt(SAID[name], () => post(`/jobs/${id}/${name}`, body, query));
    setBusy(false);
    again();
    return fine;
  };
  // A dialog says itself what is wrong.
  const end = async (name, body) => {
    await post(`/jobs/${id}/${name}`, body);
    again();
    return SAID[name];
  };
  const repeat = async () => {
    try {
      const { request_id: made } = await post(`/jobs/${id}/again`);
      say(`Submitted again, as job ${shortId(made)}`);
      go("jobs", made, query);
    } catch (error) {
      say(error.message, true);
    }
  };
  const buttons = over
    ? [
        ["Submit again", repeat],
        ...(isExpired(job)
          ? []
          : [["Expire", () => act("expire"), "Forget it as fal does after its time: then its status and result are 404"]]),
      ]
    : [
        held
          ? ["Release", () => act("release")]
          : ["Hold", () => act("hold"), "Keep it where it is until it is released"],
        // Always here: a button that comes and goes moves those beside it.
        [
          "Start",
          () => act("release", {}, { to: "IN_PROGRESS" }),
          "In progress, and still held; of a job that is held in the queue",
          !held || job.status !== "IN_QUEUE",
        ],
        ["Complete", () => act("complete"), "End it now, with its own answer"],
        ["Complete with…", () => setDialog("complete")],
        ["Fail…", () => setDialog("fail")],
        ["Cancel", () => act("cancel")],
        ["Submit again", repeat],
      ];
  const close = () => setDialog(null);
  return html`<div class="actions" role="group" aria-label="What to do with the job">
    ${buttons.map(
      ([name, does, about, off]) =>
        html`<button key=${name} disabled=${busy || off} title=${about} onClick=${does}>${name}</button>`,
    )}
    ${dialog === "fail" && html`<${Fail} end=${end} close=${close} />`}
    ${dialog === "complete" && html`<${Complete} job=${job} end=${end} close=${close} />`}
  </div>`;
}

const HOW = [["fault", "With an error of fal's"], ["reply", "With a reply in full"]];

/** End a job with a fault of the catalogue, or with a reply in full. */
function Fail({ end, close }) {
  const [how, setHow] = useState("fault");
  const { value: faults, error: missing } = useRead(
    (signal) =>
      get("/faults", {}, { signal }).then((reply) =>
        reply.faults.filter((one) => one.phase === "outcome"),
      ),
    [],
  );
  const [name, setName] = useState("internal_server_error");
  const id = useId();
  const fault = faults?.find((one) => one.name === name);
  const fail = (form) =>
    end("fail", how === "fault" ? { fault: name, parameters: parameters(fault, form) } : reply(form));
  return html`<${Asked} danger title="Fail the job" label="Fail the job" act=${fail} close=${close}>
      <fieldset>
        <legend class="sr">How</legend>
        ${HOW.map(
          ([one, words]) =>
            html`<label><input type="radio" name="how" checked=${how === one} onChange=${() => setHow(one)} />${" "}${words}</label>`,
        )}
      </fieldset>
      <${Failure} error=${missing} />
      ${
        how === "fault"
          ? html` <label for=${`${id}f`}>Error</label>
              <${FaultChoice} id=${`${id}f`} faults=${faults} chosen=${name} choose=${setName} />
              ${fault && html`<p class="dim"><${Prose} text=${fault.about} /></p>`}
              ${fault?.parameters.map(
                (one) =>
                  html`<${Parameter} key=${`${name} ${one.name}`} of=${one} id=${`${id}${one.name}`} />`,
              )}`
          : html` <label for=${`${id}s`}>Status</label><input id=${`${id}s`} name="status_code" type="number" min="400" max="599" value="503"
                required
              />
              <label for=${`${id}b`}>Body, as JSON</label><textarea id=${`${id}b`} name="body" spellcheck=${false}>
${'{"detail": "later"}'}</textarea>
              <label for=${`${id}h`}>Headers, one a line</label><textarea id=${`${id}h`} name="headers" spellcheck=${false} placeholder="x-fal-retryable: true"></textarea>`
      }
  <//>`;
}

const choice = (value, chosen) =>
  html`<option key=${value} value=${value} selected=${value === chosen}>${value}</option>`;

/** A choice among faults, by what they are about. */
export function FaultChoice({ faults = [], chosen, choose, ...more }) {
  const families = Object.entries(Object.groupBy(faults, ({ family }) => family));
  return html`<select ...${more} value=${chosen} onChange=${({ target }) => choose(target.value)}>
    ${families.map(
      ([family, ones]) =>
        html`<optgroup key=${family} label=${family}>
          ${ones.map((one) => choice(one.name, chosen))}
        </optgroup>`,
    )}
  </select>`;
}

/** A field for one parameter of a fault. */
export function Parameter({ of: { name, kind, about, choices, default: byDefault }, id }) {
  const none = byDefault === null || byDefault === undefined;
  const said = html`${name}${" "}
    <span class="dim"><${Prose} text=${about} />${kind === "list" ? ", with commas between" : ""}</span>`;
  if (kind === "boolean")
    return html`<label><input name=${name} type="checkbox" checked=${byDefault === true} /><span>${said}</span></label>`;
  const field =
    kind === "choice"
      ? html`<select id=${id} name=${name}>
          ${none && html`<option value=""></option>`}${choices.map((one) => choice(one, byDefault))}
        </select>`
      : html`<input id=${id} name=${name} autocomplete="off" inputmode=${["integer", "number", "seconds"].includes(kind) ? "decimal" : undefined} placeholder=${none ? "" : String(byDefault)}
            list=${choices ? `${id}l` : undefined}
          />${
            choices &&
            html`<datalist id=${`${id}l`}>${choices.map((one) => choice(one))}</datalist>`
          }`;
  return html`<label for=${id}>${said}</label>${field}`;
}

/** Return a form's parameters of a fault, without those that are left as they are. */
export function parameters(fault, form) {
  const given = {};
  for (const { name, kind, default: byDefault } of fault?.parameters ?? []) {
    const text = (form.get(name) ?? "").trim();
    if (kind === "boolean") {
      if (form.has(name) !== (byDefault === true)) given[name] = form.has(name);
    } else if (text && text !== byDefault) {
      const number = Number(text);
      given[name] =
        kind === "list"
          ? text.split(/\s*,\s*/)
          : ["text", "choice"].includes(kind) || Number.isNaN(number)
            ? text
            : number;
    }
  }
  return given;
}

function reply(form) {
  const headers = {};
  for (const line of form
    .get("headers")
    .split("\n")
    .filter((one) => one.trim())) {
    const [, name, value] = /^\s*([^:\s]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (!name) throw new Error(`headers: “${line}” is not a name, a colon and a value`);
    headers[name] = value;
  }
  return {
    status_code: Number(form.get("status_code")),
    body: json(form.get("body"), "body"),
    headers,
  };
}

function json(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: not JSON: ${error.message}`);
  }
}

/** End a job with an output of one's own. */
function Complete({ job, end, close }) {
  const id = useId();
  const complete = async (form) => end("complete", { output: json(form.get("output"), "output") });
  return html`<${Asked} title="Complete the job" label="Complete the job" act=${complete} close=${close}>
    <label for=${id}>Output, as JSON</label>
    <textarea id=${id} name="output" rows="12" spellcheck=${false}>
${JSON.stringify(job.outcome?.body ?? {}, null, 2)}</textarea>
  <//>`;
}
