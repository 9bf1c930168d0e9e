/** A form for an endpoint's input, built by the shapes in its document. What isn't changed isn't sent. */
import { line, plural, told } from "./format.js";
import { FileField, FileWay, FilesDrop } from "./file_field.js";
import { blank, fileAt, fileKind, fits, isLong, isObject, read, takes } from "./schema.js";
import { Icon, Tabs, html, signal, useEffect, useId, useState } from "./parts.js";

/**
 * @param {object} props
 * @param {object} props.endpoint as GET /endpoints/{endpoint_id} has it
 * @param {object} props.input what is sent
 * @param {(of: (input: object) => object) => void} props.change
 * @param {{path: (string|number)[], text: string}[]} props.errors
 * @param {(name: string, value: any) => string|null} props.illegal why a choice doesn't go with the others
 * @param {string} props.key_ with which files are uploaded
 */
export function Form({ endpoint, input, change, errors, illegal, key_ }) {
  const context = { root: endpoint.input, files: endpoint.files, errors, illegal, key: key_ };
  const known = new Set(endpoint.fields.map(({ name }) => name));
  const others = Object.keys(input).filter((name) => !known.has(name));
  // An upload ends when it ends: what was changed meanwhile stays.
  const put = (name) => (value) => change((now) => withKey(now, name, value));
  const loose = errors.filter(({ path }) => !known.has(path[0]));
  return html`<div class="inputs">
    <p class="about">What is dashed or grey is the default, and isn't sent.</p>
    ${hasFiles(endpoint) && html`<${FileWay} />`}
    ${loose.map(({ path, text }) => html`<p key=${path.join(".") + text} class="error"><${Icon} name="failed" />${path.length ? `${path.join(".")}: ` : ""}${text}</p>`)}
    ${endpoint.fields.map(({ name, schema, required }) => html`<${Field} key=${name} name=${name} node=${schema} required=${required} value=${input[name]} put=${put(name)} path=${[name]} context=${context} />`)}
    ${others.map((name) => html`<${Field} key=${name} name=${name} node=${{ description: "The document has no such field." }} value=${input[name]} put=${put(name)} path=${[name]} context=${context} />`)}
  </div>`;
}

const hasFiles = ({ files, fields }) => files.length > 0 || fields.some(({ name, schema }) => fileKind([name], schema) && name !== "webhook_url");

/** Return an object with a value put under a name, in its place; undefined takes it out. */
function withKey(object, name, value) {
  const { [name]: before, ...rest } = object ?? {};
  if (value === undefined) return rest;
  return before === undefined ? { ...rest, [name]: value } : { ...object, [name]: value };
}

const starts = (path, with_) => with_.every((part, place) => String(path[place]) === String(part));

/** One field with its name, prose, bounds and errors; what is inside follows its kind. */
function Field({ name, node, required, value, put, path, context, bare, tools }) {
  const id = useId();
  const field = read(node, context.root);
  const { schema, kind } = field;
  const fallback = field.default ?? undefined;
  const inner = context.errors.filter((one) => starts(one.path, path));
  const kids = kind === "object" ? new Set(field.properties.map(([key]) => key)) : kind === "list" ? new Set((value ?? []).map((_, place) => place)) : new Set();
  const mine = inner.filter((one) => one.path.length === path.length || !kids.has(one.path[path.length]));
  // Null says more than nothing only where nothing is something else.
  const sayNull = field.nullable && kind !== "choice" && (required || fallback !== undefined);
  const group = ["list", "object", "union"].includes(kind);
  const labelled = !group && (kind !== "choice" || asList(field));
  const about = schema.description ?? "";
  const bounds = boundsOf(field, path, context);
  const named = bare ? { "aria-label": name } : { "aria-labelledby": `${id}-name` };
  const body = html`<${Body} ...${{ id, name, named, field, required, value, put, path, context }} />`;
  const label = bare ? null : labelled ? html`<label class="name" for=${id} id=${`${id}-name`}>${name}</label>` : html`<span class="name" id=${`${id}-name`}>${name}</span>`;
  return html`<div class="input ${mine.length ? "bad" : ""} ${value === undefined ? "" : "given"}" data-path=${path.join(".")} role=${group ? "group" : undefined} ...${group ? named : {}}>
    <div class="headline">${label}${required && !bare && html`<span class="required">required</span>`}${bounds && html`<span class="dim bounds">${bounds}</span>`}
      <span class="tools">${tools}
        ${sayNull && html`<button class="small" aria-pressed=${value === null} aria-label=${`Send null for ${name}`} onClick=${() => put(value === null ? undefined : null)}>null</button>`}
        ${value !== undefined && !required && !bare && html`<button class="small" aria-label=${`Leave out ${name}`} title="Don't send it" onClick=${() => put(undefined)}>Leave out</button>`}</span></div>
    ${body}
    <div id=${`${id}-about`}>
      ${about && !bare && html`<p class="about">${about}</p>`}
      ${mine.map(({ path: at, text }) => html`<p key=${at.join(".") + text} class="error"><${Icon} name="failed" /><span>${at.length > path.length ? `${at.slice(path.length).join(".")}: ` : ""}${text}</span></p>`)}
    </div>
  </div>`;
}

/** Return in words what bounds a field, and its default where the field itself doesn't show it. */
function boundsOf(field, path, context) {
  const medium = fileAt(path, context.files);
  const file = medium && [
    medium.formats.join(", "),
    medium.max_bytes && `${Number((medium.max_bytes / 1024 ** 2).toFixed(1))} MiB at most`,
    medium.min_seconds && `${medium.min_seconds} s at least`,
    medium.max_seconds && `${medium.max_seconds} s at most`,
  ].filter(Boolean).join("; ");
  if (medium || (field.kind === "text" && fileKind(path, field.schema))) return file;
  return ["choice", "object", "union"].includes(field.kind) ? "" : takes(field);
}

const BODIES = { choice: Choice, text: Words, number: Numeric, list: List, object: Properties, union: Union, json: Raw };

const Body = (props) => html`<${BODIES[props.field.kind]} ...${props} />`;

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));
/** Few and short choices are seen all at once. */
const asList = ({ values }) => values.length > 6 || values.map(written).join("").length > 56;

function Choice({ id, name, named, field, required, value, put, path, context }) {
  const fallback = field.default ?? undefined;
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  // What would be so anyway need not be sent.
  const choose = (one) => put(one === undefined || (fallback !== undefined && same(one, fallback) && !required) ? undefined : one);
  const values = field.nullable && (fallback !== undefined || required) ? [...field.values, null] : field.values;
  const reasons = new Map(path.length === 1 ? values.map((one) => [one, context.illegal(name, one)]).filter(([, why]) => why) : []);
  const strange = value !== undefined && !values.some((one) => same(one, value));
  const byReason = Object.entries(Object.groupBy([...reasons], ([, why]) => why));
  const why = byReason.map(([reason, ones]) => html`<p key=${reason} class="why"><${Icon} name="note" /><span><b>${ones.map(([one]) => written(one)).join(", ")}</b> not with the others: ${reason}</span></p>`);
  const shown = value === undefined ? fallback : value;
  if (asList(field)) {
    return html`<select id=${id} ...${named} aria-describedby=${`${id}-about`} onChange=${({ target }) => choose(target.value ? JSON.parse(target.value) : undefined)}>
      ${(!required || value === undefined) && fallback === undefined && html`<option value="" selected=${value === undefined}>${required ? "choose…" : "none"}</option>`}
      ${strange && html`<option value=${JSON.stringify(value)} selected>${written(value)}</option>`}
      ${values.map((one) => html`<option key=${JSON.stringify(one)} value=${JSON.stringify(one)} class=${reasons.has(one) ? "illegal" : ""} selected=${same(one, shown)}>${written(one)}${same(one, fallback) ? " (default)" : ""}${reasons.has(one) ? " (not with the others)" : ""}</option>`)}
    </select>${why}`;
  }
  return html`<div class="segments ${value === undefined ? "byDefault" : ""}" role="radiogroup" ...${named} aria-describedby=${`${id}-about`}>
    ${values.map((one) => html`<label key=${JSON.stringify(one)} class=${reasons.has(one) ? "illegal" : ""} title=${reasons.get(one) ?? (same(one, fallback) ? "default" : undefined)}>
      <input type="radio" name=${id} value=${JSON.stringify(one)} checked=${same(one, shown)} onChange=${() => choose(one)} />
      <span>${written(one)}</span>${reasons.has(one) && html`<span class="sr"> not with the others: ${reasons.get(one)}</span>`}${same(one, fallback) && html`<span class="sr"> (default)</span>`}
    </label>`)}</div>
    ${strange && html`<p class="dim">Now <code>${told(value)}</code>, which is none of them.</p>`}${why}`;
}

const placeholderOf = ({ schema, default: byDefault }) => {
  if (byDefault !== undefined && byDefault !== null && byDefault !== "") return `${line(byDefault, 120)} (default)`;
  return schema.examples?.[0] !== undefined && typeof schema.examples[0] !== "object" ? `such as ${line(schema.examples[0], 120)}` : undefined;
};

function Words({ id, name, named, field, value, put, path, context }) {
  const { schema } = field;
  const placeholder = value === null ? "null" : placeholderOf(field);
  const medium = fileAt(path, context.files);
  const kind = medium?.kind ?? fileKind(path, schema);
  if (kind) return html`<${FileField} ...${{ id, name, named, value, put, kind, placeholder, context }} described=${`${id}-about`} />`;
  const text = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);
  const most = schema.maxLength;
  const common = { id, value: text, placeholder, dir: "auto", ...named, "aria-describedby": `${id}-about`, onInput: ({ target }) => put(target.value || undefined) };
  return html`${isLong(String(path.at(-1)), schema) ? html`<textarea class="prose" rows="3" ...${common}></textarea>` : html`<input ...${common} autocomplete="off" spellcheck=${false} />`}
    ${most && text.length > most * 0.8 && html`<p class="dim">${text.length} of ${most} characters</p>`}`;
}

function Numeric({ id, name, named, field: { schema, whole, default: byDefault }, value, put }) {
  const { minimum, maximum, multipleOf } = schema;
  const least = minimum ?? schema.exclusiveMinimum;
  const bounded = least !== undefined && maximum !== undefined && maximum - least <= 1000;
  const step = multipleOf ?? (whole ? 1 : bounded ? (maximum - least) / 100 : "any");
  const given = typeof value === "number" ? value : undefined;
  return html`<div class="line">
    <input id=${id} type="number" inputmode=${whole ? "numeric" : "decimal"} step=${whole ? 1 : "any"} min=${least} max=${maximum} value=${given ?? ""} placeholder=${value === null ? "null" : placeholderOf({ schema, default: byDefault })} ...${named} aria-describedby=${`${id}-about`}
      onInput=${({ target }) => target.validity.badInput || put(target.value === "" ? undefined : Number(target.value))} />
    ${bounded && html`<input type="range" aria-label=${`${name}, by a slider`} min=${least} max=${maximum} step=${step} value=${given ?? byDefault ?? least} onInput=${({ target }) => put(Number(target.value))} />`}
  </div>`;
}

function List({ id, name, field, value, put, path, context }) {
  const items = Array.isArray(value) ? value : [];
  // What is added is added to what there would be without a change.
  const fallback = value === undefined && Array.isArray(field.default) ? field.default : [];
  const inner = read(field.items, context.root);
  const at = [...path, 0];
  const kind = inner.kind === "text" && (fileAt(at, context.files)?.kind ?? fileKind(at, inner.schema));
  const full = field.schema.maxItems !== undefined && items.length >= field.schema.maxItems;
  const replace = (place, one) => put(items.map((old, number) => (number === place ? (one === undefined ? blank(field.items, context.root) : one) : old)));
  const drop = (place) => put(orNothing(items.filter((_, number) => number !== place)));
  const move = (place, by) => {
    const next = [...items];
    [next[place], next[place + by]] = [next[place + by], next[place]];
    put(next);
  };
  // Several files come one after the other, each once the one before is in its place.
  const added = { items: items.length ? items : fallback };
  const add = (one) => {
    added.items = [...added.items, one];
    put(added.items);
  };
  return html`${fallback.length > 0 && html`<p class="dim">${fallback.map(written).join(", ")} (default)</p>`}<ol class="items">${items.map((one, place) => {
    const what = `${name} ${place + 1}`;
    const tools = html`<button class="small" disabled=${place === 0} aria-label=${`Move ${what} up`} onClick=${() => move(place, -1)}>↑</button>
      <button class="small" disabled=${place === items.length - 1} aria-label=${`Move ${what} down`} onClick=${() => move(place, 1)}>↓</button>
      <button class="small" aria-label=${`Remove ${what}`} onClick=${() => drop(place)}>×</button>`;
    return html`<li key=${place}><${Field} bare name=${what} node=${field.items} value=${one} put=${(next) => replace(place, next)} path=${[...path, place]} context=${context} tools=${tools} /></li>`;
  })}</ol>
  <div class="line"><button disabled=${full} aria-label=${`Add${items.length ? " another" : ""} to ${name}`} aria-describedby=${`${id}-about`} onClick=${() => add(blank(field.items, context.root))}>Add${items.length ? " another" : ""}</button>
    ${kind && !full && html`<${FilesDrop} name=${name} kind=${kind} add=${add} context=${context} />`}</div>`;
}

const orNothing = (items) => (items.length ? items : undefined);

function Properties({ id, name, field, required, value, put, path, context }) {
  const [open, setOpen] = useState(null);
  // A document may lead into itself, so what is deep opens on demand only.
  const shown = open ?? (value !== undefined || (required && path.length < 5));
  const object = isObject(value) ? value : {};
  const change = (key) => (one) => {
    const next = withKey(object, key, one);
    put(Object.keys(next).length || required || typeof path.at(-1) === "number" ? next : undefined);
  };
  return html`<button class="plain fold" aria-expanded=${shown} aria-controls=${`${id}-inner`} onClick=${() => setOpen(!shown)}>${shown ? "Hide" : "Show"} the ${plural(field.properties.length, "field")} of ${name}</button>
    <div id=${`${id}-inner`} class="nested">${shown && field.properties.map(([key, node, needed]) => html`<${Field} key=${key} name=${key} node=${node} required=${needed} value=${object[key]} put=${change(key)} path=${[...path, key]} context=${context} />`)}</div>`;
}

function Union({ id, name, named, field, required, value, put, path, context }) {
  const { branches } = field;
  const known = (one) => one !== undefined && one !== null;
  const of = (one) => (known(one) ? branches.findIndex((branch) => fits(one, branch, context.root)) : -1);
  const [asked, ask] = useState(null);
  const found = of(value);
  const chosen = asked !== null && (!known(value) || fits(value, branches[asked], context.root)) ? asked : Math.max(0, found >= 0 ? found : of(field.default));
  const names = branches.map((branch, place) => branchName(branch, context.root, place, branches));
  const choose = (label) => {
    const place = names.indexOf(label);
    ask(place);
    if (place !== chosen) put(required ? blank(branches[place], context.root) : undefined);
  };
  const inner = read(branches[chosen], context.root);
  const fallback = field.default ?? undefined;
  const body = { ...inner, default: fallback !== undefined && of(fallback) === chosen ? fallback : inner.default, nullable: false };
  return html`<${Tabs} names=${names} chosen=${names[chosen]} choose=${choose} label=${`Kind of ${name}`} />
    <${Body} ...${{ id, name, named, field: body, required, value, put, path }} context=${{ ...context, errors: [] }} />`;
}

function branchName(branch, root, place, all) {
  const field = read(branch, root);
  const short = { choice: "a name", text: "any text", number: "number", list: "list", object: field.properties?.map(([name]) => name).slice(0, 3).join(", "), json: "JSON", union: "several" };
  const name = short[field.kind];
  const others = all.filter((one, other) => other !== place && read(one, root).kind === field.kind);
  return others.length ? `${branch.title ?? name} ${branch.title ? "" : place + 1}`.trim() : name;
}

function Raw({ id, named, value, put }) {
  return html`<${JsonText} id=${id} named=${named} value=${value} put=${put} />`;
}

/** How many fields have text that isn't JSON yet: what would be sent isn't what one sees. */
export const unread = signal(0);

/** A value as JSON that can be edited; what isn't JSON yet, or no `object`, is kept as it is typed, and said. */
export function JsonText({ id, value, put, named, object, rows = 4 }) {
  const [typed, type] = useState(null);
  const now = JSON.stringify(value);
  // Once the value is another one, what was typed is over.
  const mine = typed?.now === now ? typed : null;
  const error = mine?.error;
  useEffect(() => {
    if (!error) return;
    unread.value += 1;
    return () => (unread.value -= 1);
  }, [!error]);
  const edit = ({ target: { value: text } }) => {
    try {
      const next = text.trim() ? JSON.parse(text) : object ? {} : undefined;
      if (object && !isObject(next)) throw new Error("an object is needed, in {}");
      type({ text, now: JSON.stringify(next) });
      put(next);
    } catch (wrong) {
      type({ text, now, error: wrong.message });
    }
  };
  return html`<textarea id=${id} ...${named} rows=${rows} spellcheck=${false} value=${mine ? mine.text : value === undefined ? "" : JSON.stringify(value, null, 2)} aria-invalid=${error ? "true" : undefined} onInput=${edit} onBlur=${() => error || type(null)}></textarea>
    ${error && html`<p class="error" role="alert"><${Icon} name="failed" /><span>Not JSON yet: ${error}</span></p>`}`;
}
