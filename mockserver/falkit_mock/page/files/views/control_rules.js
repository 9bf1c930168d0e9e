/** Rules by which things go wrong: a form for each fault of the catalogue, and what each rule did. */
import { call, get, remove } from "../api.js";
import { count, plural, shortId } from "../format.js";
import { Asked, Code, Failure, Link, Prose, Table, Tabs, attempt, html, mark, say, useEffect, useFollow, useId, useRead, useRef, useState } from "../parts.js";
import { FaultChoice, Parameter, parameters } from "./job_actions.js";

/** Milliseconds between two readings that events ask for. */
const PAUSE = 500;

export function Rules() {
  const [clearing, clear] = useState(false);
  const {
    value: rules,
    error,
    again,
  } = useRead((signal) => get("/rules", {}, { signal }).then((reply) => reply.rules), []);
  useFollow(["request_answered", "job_changed", "delivery_attempted", "rules_changed", "reset"], PAUSE, again);
  const drop = (rule) =>
    attempt(`Off: ${rule.text}`, () => remove(`/rules/${rule.id}`)).then(again);
  const dropAll = async () => {
    await remove("/rules");
    again();
    return `${plural(rules.length, "rule")} removed: nothing goes wrong on purpose any more`;
  };
  return html` <${Failure} error=${error} again=${again} />
    ${rules?.length === 0 && html`<p class="dim">No fault is on. Requests can also name one themselves:${" "}<code>[falkit:content_policy_violation]</code>${" "}in a prompt.</p>`}
    ${
      rules?.length > 0 &&
      html`<${Table}
          stacks
          label="Rules, in the order in which they are tried"
          rows=${rules}
          keyOf=${({ id }) => id}
          columns=${[
            {
              name: "Rule",
              of: ({ id, text, applied, jobs }) =>
                html`<span class="dim">${id}</span>${" "}<code class="rule">${text}</code>${
                  applied > 0 &&
                  html`<div>
                    <span class="dim">to</span>${jobs.map((job) => html`${" "}<${Link} key=${job} class="nowrap" to="jobs" rest=${job}><code>${shortId(job)}</code><//>`)}${" "}<${Link} to="requests"
                      query=${{ fault: id }}
                      >all requests<//>
                  </div>`
                }`,
            },
            { name: "Matched", class: "number", of: ({ matched }) => count(matched) },
            {
              name: "Applied",
              class: "number",
              of: (rule) =>
                html`<span>${count(rule.applied)}${isUsedUp(rule) && html`${" "}<span class="dim">used up</span>`}</span>`,
            },
            {
              name: "",
              class: "number",
              of: (rule) =>
                html`<button class="small" aria-label=${`Remove ${rule.id}`} onClick=${() => drop(rule)}>
                  Remove
                </button>`,
            },
          ]}
        />
        ${rules.length > 1 && html`<p><button class="danger" onClick=${() => clear(true)}>Remove all…</button></p>`}`
    }
    <${Add} again=${again} />
    ${clearing && html`<${Asked} danger title="Remove all rules" label="Remove all" act=${dropAll} close=${() => clear(false)}><p>All ${count(rules.length)} rules are removed, those of the command line and of${" "}<code>falkit.toml</code>${" "}too, with their counts.</p><//>`}`;
}

/** Whether a rule applies to nothing more: by its `times`, or once the last of its `nth` is over. */
const isUsedUp = ({ matched, applied, rule: { times, nth, skip = 0 } }) =>
  applied >= times || matched >= skip + Math.max(...[nth].flat());

/** A form that switches a fault on. */
function Add({ again }) {
  const [how, setHow] = useState("From the catalogue");
  const [error, setError] = useState(null);
  const [turn, setTurn] = useState(0);
  const [draft, setDraft] = useState("");
  const form = useRef(null);
  const rule = () =>
    how === "As a line" ? new FormData(form.current).get("line").trim() : tableOf(form.current);
  const submit = async (event) => {
    event.preventDefault();
    setError(null);
    mark(form.current);
    try {
      const reply = await call("POST", "/rules", { body: { rule: rule() }, raw: true });
      const { text } = await reply.json();
      const hint = reply.headers.get("x-falkit-hint");
      say(hint ? `On, but: ${hint}` : `On: ${text}`, Boolean(hint));
      setTurn(turn + 1);
      setDraft("");
      again();
    } catch (wrong) {
      setError(wrong);
      mark(form.current, wrong);
    }
  };
  const changed = () => {
    try {
      setDraft(how === "As a line" ? "" : lineOf(rule()));
    } catch {
      setDraft("");
    }
  };
  return html`<form class="form add" ref=${form} onSubmit=${submit} onInput=${changed} onChange=${changed} aria-label="Switch a fault on">
    <h3>Switch a fault on</h3>
    <${Tabs} names=${["From the catalogue", "As a line"]} chosen=${how} choose=${(name) => (setHow(name), setDraft(""), setError(null))} label="How to say it" />
    ${how === "As a line" ? html`<${Line} key=${turn} />` : html`<${Chosen} key=${turn} changed=${changed} />`}
    ${draft && html`<${Code} text=${draft} label="the rule as a line" />`}
    <${Failure} error=${error} />
    <p><button class="primary">Switch on</button></p>
  </form>`;
}

function Line() {
  const id = useId();
  return html`<label for=${id}>Rule${" "}<span class="dim">as with${" "}<code>--fault</code></span></label><input id=${id} name="line"
      required
      autocomplete="off"
      spellcheck=${false}
      placeholder="image_load_error times=2 endpoint=fal-ai/ltx-2/*"
    />`;
}

function Chosen({ changed }) {
  const { value: faults, error } = useRead((signal) => get("/faults", {}, { signal }).then((reply) => reply.faults), []);
  const endpoints = useRead((signal) => get("/endpoints", {}, { signal }).then((reply) => reply.endpoints), []);
  const [name, setName] = useState("internal_server_error");
  const [inputs, setInputs] = useState(0);
  const id = useId();
  useEffect(() => changed(), [name, faults]);
  if (error) return html`<${Failure} error=${error} />`;
  const fault = faults?.find((one) => one.name === name);
  const field = (of, about, more = {}) =>
    html`<div class="cell">
      <label for=${id + of}>${of}${" "}<span class="dim">${about}</span></label><input id=${id + of} name=${`match ${of}`} autocomplete="off" spellcheck=${false}
        ...${more}
      />
    </div>`;
  return html` <div class="cell">
      <label for=${id}>Fault</label><${FaultChoice} id=${id} name="fault" faults=${faults} chosen=${name} choose=${setName} />
    </div>
    ${
      fault &&
      html`<p class="dim"><${Prose} text=${fault.about[0].toUpperCase() + fault.about.slice(1)} />.</p>
        ${fault.parameters.length > 0 && html`<div class="cells" data-fault=${JSON.stringify(fault.parameters)}>${fault.parameters.map((one) => html`<div class="cell" key=${`${name} ${one.name}`}><${Parameter} of=${one} id=${`${id}p${one.name}`} /></div>`)}</div>`}
        <h4>To which requests</h4>
        <div class="cells">
          ${field("endpoint", "a glob", { list: `${id}l`, placeholder: "fal-ai/ltx-2/*" })}
          ${field("key", "a glob of its id", { placeholder: "team-*" })}
          ${field("prompt", "a regular expression", { placeholder: "(?i)rain" })}
          ${field("times", "so many of the matches", { inputmode: "numeric", placeholder: "all" })}
          ${field("skip", "so many first", { inputmode: "numeric", placeholder: "0" })}
          ${field("nth", "only these", { placeholder: "3 or 1,4 or every:5" })}
          ${field("probability", "of each match", { inputmode: "decimal", placeholder: "1" })}
        </div>
        <datalist id=${`${id}l`}>
          ${endpoints.value?.map((one) => html`<option key=${one.endpoint_id} value=${one.endpoint_id} />`)}
        </datalist>
        ${Array.from({ length: inputs }, (_, place) => html`<div class="pair" key=${place}><input name="input name" aria-label="Field of the input" placeholder="duration" autocomplete="off" /><span>=</span><input name="input value" aria-label="Value of the field, as JSON" placeholder="8" autocomplete="off" /></div>`)}
        <p>
          <button type="button" class="small" onClick=${() => setInputs(inputs + 1)}>
            Only where a field of the input is…
          </button>
        </p>
        ${
          fault.allowed_on.length > 1 &&
          html`<fieldset key=${name}>
            <legend>
              On${" "}<span class="dim">${fault.on.join(", ")} if none is chosen</span>
            </legend>
            ${fault.allowed_on.map((one) => html`<label key=${one}><input type="checkbox" name="on" value=${one} />${" "}${one}</label>`)}
          </fieldset>`
        }`
    }`;
}

/** Return what a form says as a rule's table. */
function tableOf(form) {
  const data = new FormData(form);
  const named = form.querySelector("[data-fault]");
  const rule = {
    fault: data.get("fault"),
    ...parameters({ parameters: JSON.parse(named?.dataset.fault ?? "[]") }, data),
  };
  if (data.has("on")) rule.on = data.getAll("on");
  for (const name of ["endpoint", "key", "prompt", "nth"]) {
    const text = (data.get(`match ${name}`) ?? "").trim();
    if (text) rule[name] = text;
  }
  for (const name of ["times", "skip", "probability"]) {
    const text = (data.get(`match ${name}`) ?? "").trim();
    if (text && Number.isNaN(Number(text))) throw new Error(`${name}: “${text}” is not a number`);
    if (text) rule[name] = Number(text);
  }
  const values = data.getAll("input value");
  data.getAll("input name").forEach((name, place) => {
    if (name.trim()) rule[`input.${name.trim()}`] = value(values[place]);
  });
  return rule;
}

function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Return a rule's table as the line that --fault takes. */
function lineOf({ fault, ...words }) {
  const written = (one) =>
    Array.isArray(one)
      ? one.join(",")
      : typeof one === "object" && one !== null
        ? `'${JSON.stringify(one)}'`
        : String(one);
  const quote = (name, one) =>
    typeof one === "string" &&
    (/[\s"']/.test(one) || one === "" || (name.startsWith("input.") && one !== value(one)))
      ? JSON.stringify(one)
      : written(one);
  return [fault, ...Object.entries(words).map(([name, one]) => `${name}=${quote(name, one)}`)].join(
    " ",
  );
}
