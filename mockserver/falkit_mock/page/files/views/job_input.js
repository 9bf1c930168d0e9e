/** A job's input beside what the endpoint's document says of each field. */
import { Code, Icon, Json, Tabs, html, useState } from "../parts.js";
import { line } from "../format.js";
import { read, takes } from "../schema.js";

/** Return what a 422 says, by the field that it names. */
export function errorsOf(detail) {
  const found = {};
  for (const { loc, msg } of Array.isArray(detail) ? detail : []) {
    const [place, name, ...inner] = loc ?? [];
    if (place !== "body" || name === undefined) continue;
    (found[name] ??= []).push(inner.length ? `${inner.join(".")}: ${msg}` : msg);
  }
  return found;
}

export function Input({ job, endpoint, check }) {
  const [seen, see] = useState("Fields");
  const { input } = job;
  if (input === null || typeof input !== "object" || Array.isArray(input)) {
    return html`<p class="dim">
        ${(input ?? null) === null ? "The input is not kept." : "The body was not a JSON object."}
      </p>
      ${
        (input ?? null) !== null &&
        html`<${Code} text=${typeof input === "string" ? input : JSON.stringify(input, null, 2)} label="Input" />`
      }`;
  }
  const errors = errorsOf(job.outcome?.body?.detail);
  const fields = endpoint?.fields ?? [];
  const known = new Set(fields.map(({ name }) => name));
  const rows = [
    ...fields.map((field) => ({
      ...field,
      default: endpoint.defaults?.[field.name],
      given: Object.hasOwn(input, field.name),
    })),
    ...Object.keys(input)
      .filter((name) => !known.has(name))
      .map((name) => ({ name, given: true, unknown: fields.length > 0 })),
    ...Object.keys(errors)
      .filter((name) => !known.has(name) && !Object.hasOwn(input, name))
      .map((name) => ({ name, given: false })),
  ];
  // What was given or is wrong comes first, in the document's order.
  const own = rows.filter(({ name, given }) => given || errors[name]);
  const rest = rows.filter(({ name, given }) => !given && !errors[name]);
  return html`<${Tabs} names=${["Fields", "JSON"]} chosen=${seen} choose=${see} label="Show the input as" />
    ${check?.hint && html`<p class="hint"><${Icon} name="note" /><span>${check.hint}</span></p>`}
    ${
      seen === "JSON"
        ? html`<${Code} text=${JSON.stringify(input, null, 2)} label="Input" />`
        : html` ${own.length === 0 && html`<p class="dim">Nothing was given.</p>`}
            <dl class="fields">
              ${own.map(
                (row) =>
                  html`<${Field} key=${row.name} row=${row} root=${endpoint?.input} value=${input[row.name]} errors=${errors[row.name]} />`,
              )}
            </dl>
            ${
              rest.length > 0 &&
              html`<h3>Not given, so by default</h3>
                <dl class="fields">
                  ${rest.map((row) => html`<${Field} key=${row.name} row=${row} root=${endpoint.input} />`)}
                </dl>`
            }`
    }`;
}

function Field({
  row: { name, given, schema, required, default: byDefault, unknown },
  root,
  value,
  errors,
}) {
  const about = schema?.description ?? schema?.title;
  return html`<div class="field ${errors ? "bad" : ""} ${given ? "" : "dimmed"}">
    <dt title=${about ? line(about, 400) : undefined}>
      ${name}${required && html`<span class="dim" title="required"> *</span>`}
    </dt>
    <dd>
      ${
        given || (byDefault ?? null) !== null
          ? html`<${Json} value=${given ? value : byDefault} />`
          : html`<span class="dim">${required ? "missing" : "none"}</span>`
      }
      ${errors?.map((text) => html`<p key=${text} class="error"><${Icon} name="failed" />${text}</p>`)}
      ${unknown && html`<p class="warn"><${Icon} name="warning" />the document has no such field</p>`}
    </dd>
    <dd class="doc">${schema && line(takes(read(schema, root)), 120)}</dd>
  </div>`;
}
