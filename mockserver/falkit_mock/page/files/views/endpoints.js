/** The catalogue of endpoints, and one of them in full: fields, limits, rules, prices, ways to call. */
import { get } from "../api.js";
import { LANGUAGES, codeOf, count, money } from "../format.js";
import { Code, Codes, Copy, Empty, EndpointId, Facts, Failure, Filter, Json, Link, StatusMark, Table, html, useMemo, useRead, useState } from "../parts.js";
import { route } from "../router.js";
import { inOrder, read, resolved, takes } from "../schema.js";

export const title = ({ rest }) => rest || "Endpoints";

/** Rows of combinations that are seen at once. */
const ROWS = 25;

export function Endpoints({ params: { rest } }) {
  if (!rest) return html`<${Catalogue} heading="Endpoints" to="endpoints" />`;
  return html`<${One} key=${rest} id=${rest} />`;
}

/** All endpoints that there is a document of, filtered by what the URL says; each leads `to` a view. */
export function Catalogue({ heading, to, children }) {
  const { value, error, again } = useRead((signal) => get("/endpoints", {}, { signal }), []);
  const { text = "", category, date } = route.value.query;
  const all = value?.endpoints ?? [];
  const options = (name) => [...new Set(all.map((one) => one[name]).filter(Boolean))].sort();
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter((one) => {
    const said = `${one.endpoint_id} ${one.category} ${one.description ?? ""}`.toLowerCase();
    return words.every((word) => said.includes(word)) && (!category || one.category === category) && (!date || one.date === date);
  });
  const columns = [
    { name: "Endpoint", class: "wide", of: (one) => html`<${Link} to=${to} rest=${one.endpoint_id}><${EndpointId} id=${one.endpoint_id} /><//>${one.problem && html`<p class="error">${one.problem}</p>`}` },
    { name: "Category", class: "minor", of: (one) => one.category },
    { name: "Price by default", class: "number", of: (one) => (one.price === "unknown" ? html`<span class="dim">unknown</span>` : one.price) },
    { name: "Combinations", class: "number minor", of: ({ combinations, legal }) => (combinations ? (legal === combinations ? count(combinations) : html`${count(combinations)}, <b>${legal === null ? "some" : count(legal)}</b> legal`) : html`<span class="dim">–</span>`) },
    { name: "Document", class: "minor", of: (one) => html`<span class="dim">${one.date}${one.certainty && one.certainty !== "confirmed" ? `, ${one.certainty}` : ""}</span>` },
  ];
  return html`<div class="titled"><h1 tabindex="-1">${heading}</h1><span class="total dim">${value && (found.length === all.length ? count(all.length) : `${count(found.length)} of ${count(all.length)}`)}</span>
      <div class="filters">
        <${Filter} name="text" label="Text" type="search" search placeholder="image video kling" />
        <${Filter} name="category" label="Category" options=${options("category")} />
        <${Filter} name="date" label="Date" options=${options("date")} />
      </div></div>
    <div class="view catalogue">${children}
      <${Failure} error=${error} again=${again} />
      ${value && (found.length ? html`<${Table} label="Endpoints" columns=${columns} rows=${found} keyOf=${(one) => one.endpoint_id} />` : html`<${Empty} title="No endpoint is like that."><p><${Link} to=${to}>Show all<//></p><p class="dim">A document of your own is taken from a folder: <code>falkit serve --catalog FOLDER</code>.</p><//>`)}
    </div>`;
}

function One({ id }) {
  const { value: one, error, again } = useRead((signal) => get(`/endpoints/${id}`, {}, { signal }), [id]);
  return html`<div class="view job">
    <header class="jobhead"><div>
      <p class="crumb"><${Link} to="endpoints">Endpoints<//> / <code>${id}</code> <${Copy} text=${id} label="Copy the endpoint's id" /></p>
      <h1 tabindex="-1"><${EndpointId} id=${id} /></h1>
      ${one && html`<${Facts} rows=${[["Category", one.category], ["Document of", one.date && `${one.date}, ${one.certainty}`], ["Price by default", html`<b>${one.price}</b>`]]} />`}
    </div>
    ${one && html`<div class="actions"><${Link} class="button" to="playground" rest=${id}>Open in the playground<//><${Link} class="button" to="jobs" query=${{ endpoint: `"${id}"` }}>Its jobs<//></div>`}</header>
    <${Failure} error=${error} again=${again} gone=${html`<${Empty} title="There is no document of this endpoint."><p>${error?.message}</p><p><${Link} to="endpoints">All endpoints<//></p><//>`} />
    ${one ? html`<${Shown} one=${one} />` : !error && html`<p class="loading">Loading…</p>`}
  </div>`;
}

function Shown({ one }) {
  const { endpoint_id: endpoint, input, output, example } = one;
  const texts = useMemo(() => Object.fromEntries(Object.entries(LANGUAGES).map(([language, name]) => [name, codeOf(language, { endpoint, input: example })])), [endpoint]);
  const link = /^https:\/\//.test(one.source ?? "") ? html`<a href=${one.source} rel="noreferrer" target="_blank">${one.source}</a>` : one.source;
  return html`
    ${one.description && html`<p class="dim">${one.description}</p>`}
    <section aria-labelledby="fields"><h2 id="fields">Input</h2>
      ${one.fields.length ? html`<${FieldTable} label="Fields of the input" rows=${one.fields.map(({ name, schema, required }) => [name, schema, required])} root=${input} />` : html`<p class="dim">The document names no fields: any JSON object is taken.</p>`}
      <${Named} root=${input} among=${one.fields.map(({ schema }) => schema)} />
    </section>
    ${one.rules.length > 0 && html`<section aria-labelledby="rules"><h2 id="rules">Rules</h2><ul class="plainlist">${one.rules.map(({ message, certainty }) => html`<li key=${message}>${message} <span class="dim">(${certainty})</span></li>`)}</ul></section>`}
    ${one.files.length > 0 && html`<section aria-labelledby="files"><h2 id="files">Files</h2><${Files} files=${one.files} /></section>`}
    <section aria-labelledby="price"><h2 id="price">Price</h2><${Facts} rows=${[
      ["By default", html`<b>${one.price}</b>`],
      ["Billable unit", one.pricing?.unit],
      ["Depends on", [...(one.pricing?.fields ?? []), ...one.measured.map((name) => `the length of ${name}`)].join(", ") || null],
      ["Certainty", one.pricing?.certainty],
      ["Source", one.pricing?.source],
    ]} /></section>
    ${one.combining.length > 0 && html`<section aria-labelledby="combinations"><h2 id="combinations">Combinations</h2><${Combinations} one=${one} /></section>`}
    <div class="halves">
      <section aria-labelledby="example"><h2 id="example">An input that is taken</h2><${Code} text=${JSON.stringify(example, null, 2)} label="Example" /></section>
      <section aria-labelledby="code"><h2 id="code">As code</h2><${Codes} texts=${texts} /></section>
    </div>
    <section aria-labelledby="output"><h2 id="output">Output</h2>
      ${inOrder(resolved(output, output)).length ? html`<${FieldTable} label="Fields of the output" rows=${inOrder(resolved(output, output))} root=${output} />` : html`<p class="dim">The document says nothing of it.</p>`}
      <details><summary>Schemas</summary><div class="halves"><div class="boxed"><${Json} value=${input} name="input" depth=${2} /></div><div class="boxed"><${Json} value=${output} name="output" depth=${2} /></div></div></details>
    </section>
    <section aria-labelledby="ways"><h2 id="ways">Ways to call</h2><${Facts} rows=${[
      ["queue", html`<code>POST https://queue.fal.run/${endpoint}</code>`],
      ["run", html`<code>POST https://fal.run/${endpoint}</code>`],
      ...one.ways.map((way) => way.split(/: (.*)/s)).map(([name, rest]) => [name, html`<code>${rest}</code>`]),
      ["document", link],
    ]} /></section>`;
}

function FieldTable({ label, rows, root }) {
  const columns = [
    { name: "Field", of: ([name, , required]) => html`<code>${name}</code>${required ? html` <span class="required">required</span>` : ""}` },
    { name: "Takes", class: "takes", of: ([, node]) => takes(read(node, root)) },
    { name: "Default", of: ([, node]) => {
      const { default: byDefault } = read(node, root);
      return byDefault === undefined || byDefault === null ? html`<span class="dim">–</span>` : html`<code>${JSON.stringify(byDefault)}</code>`;
    } },
    { name: "Meaning", class: "prose", of: ([, node]) => read(node, root).schema.description ?? "" },
  ];
  return html`<${Table} stacks label=${label} columns=${columns} rows=${rows} keyOf=${([name]) => name} />`;
}

/** The objects that fields are made of, each with its own fields. */
function Named({ root, among }) {
  const names = [...new Set(references(among, root))].filter((name) => inOrder(resolved(root.$defs?.[name], root)).length);
  return names.map((name) => html`<details key=${name}><summary><code>${name}</code></summary><${FieldTable} label=${name} rows=${inOrder(resolved(root.$defs[name], root))} root=${root} /></details>`);
}

function references(value, root, found = new Set()) {
  if (value && typeof value === "object") {
    const name = typeof value.$ref === "string" ? value.$ref.split("/").at(-1) : null;
    if (name && !found.has(name)) {
      found.add(name);
      references(root.$defs?.[name], root, found);
    }
    Object.values(value).forEach((inner) => references(inner, root, found));
  }
  return found;
}

function Files({ files }) {
  const columns = [
    { name: "Field", of: ({ path }) => html`<code>${path.map((part) => (part === null ? "[]" : part)).join(".").replaceAll(".[]", "[]")}</code>` },
    { name: "Kind", of: ({ kind }) => kind },
    { name: "Formats", of: ({ formats, certainty }) => (formats.length ? html`${formats.join(", ")} <span class="dim">(${certainty})</span>` : html`<span class="dim">any</span>`) },
    { name: "Bytes", of: ({ max_bytes: most, size_certainty: certainty }) => (most ? html`${Number((most / 1024 ** 2).toFixed(1))} MiB at most <span class="dim">(${certainty})</span>` : html`<span class="dim">–</span>`) },
    { name: "Seconds", of: ({ min_seconds: least, max_seconds: most }) => [least && `${least} at least`, most && `${most} at most`].filter(Boolean).join(", ") || html`<span class="dim">–</span>` },
    { name: "Bounds", of: ({ bounds }) => Object.entries(bounds).map(([name, bound]) => `${name.replaceAll("_", " ")} ${bound}`).join(", ") || html`<span class="dim">–</span>` },
  ];
  return html`<${Table} stacks label="Files that are taken" columns=${columns} rows=${files} />`;
}

/** Which choices go together and what they cost: of some of the inputs, the others by default. */
function Combinations({ one }) {
  const { endpoint_id: id, combining } = one;
  const [fields, setFields] = useState(combining.slice(0, 4));
  const [offset, setOffset] = useState(0);
  const { value, error, again } = useRead((signal) => get(`/endpoints/${id}/combinations`, { fields: fields.join(","), limit: ROWS, offset }, { signal }), [fields.join(), offset]);
  const flip = (name) => {
    const next = combining.filter((field) => (field === name ? !fields.includes(name) : fields.includes(field)));
    if (!next.length) return;
    setFields(next);
    setOffset(0);
  };
  const columns = [
    ...(value?.fields ?? []).map((name) => ({ name, of: ({ values }) => (typeof values[name] === "string" ? values[name] : JSON.stringify(values[name])) })),
    { name: "Legal", of: ({ legal }) => html`<${StatusMark} state=${legal ? "done" : "failed"}>${legal ? "legal" : "illegal"}<//>` },
    { name: "Price", class: "number", of: ({ price, legal }) => (price === null ? html`<span class="dim">–</span>` : html`<span class=${legal ? "" : "dim"}>${money(price)}</span>`) },
    { name: "Why not", of: ({ why }) => why ?? "" },
    { name: "Playground", of: ({ values }) => html`<${Link} to="playground" rest=${id} query=${{ input: JSON.stringify({ ...one.example, ...without(values) }) }}>try<//>` },
  ];
  const last = value ? Math.min(value.total, offset + ROWS) : 0;
  return html`<div class="choose" role="group" aria-label="Inputs to combine"><span class="dim">Of</span> ${combining.map((name) => html`<button key=${name} class="small" aria-pressed=${fields.includes(name)} onClick=${() => flip(name)}>${name}</button>`)}</div>
    ${one.legal !== null && html`<p class="dim">${count(one.legal)} of all ${count(one.combinations)} combinations are legal. An input that isn't among those chosen has its default.</p>`}
    <${Failure} error=${error} again=${again} />
    ${value && html`<${Table} stacks label="Choices, legal or not" columns=${columns} rows=${value.rows} />
      <div class="pager"><button disabled=${offset === 0} onClick=${() => setOffset(Math.max(0, offset - ROWS))}>Previous</button><span role="status">${count(offset + 1)} to ${count(last)} of ${count(value.total)}</span><button disabled=${last >= value.total} onClick=${() => setOffset(offset + ROWS)}>Next</button></div>`}`;
}

/** Return the choices that say something: null stands for an input that isn't given. */
const without = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
