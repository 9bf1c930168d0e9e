/** What a form needs to know of a JSON Schema: of which kind a field is, what it takes, what it begins as. */
import { line } from "./format.js";

/** Follow a node's references; what stands beside one goes before what it leads to. */
export function resolved(node, root) {
  let schema = node && typeof node === "object" ? node : {};
  for (let step = 0; typeof schema.$ref === "string" && step < 20; step += 1) {
    const { $ref, ...own } = schema;
    const parts = $ref.replace(/^#\/?/, "").split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const found = parts.reduce((at, part) => (at && typeof at === "object" ? at[part] : undefined), root);
    schema = { ...(found && typeof found === "object" ? found : {}), ...own };
  }
  if (!Array.isArray(schema.allOf)) return schema;
  const { allOf, ...own } = schema;
  const parts = [...allOf.map((part) => resolved(part, root)), own];
  const properties = Object.assign({}, ...parts.map((part) => part.properties));
  const required = parts.flatMap((part) => part.required ?? []);
  return { ...Object.assign({}, ...parts), ...(Object.keys(properties).length ? { properties, required } : {}) };
}

/** Return the branches of a union in one list; one that leads into itself is left at some depth. */
function branchesOf(schema, root, deep = 6) {
  const given = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(given)) return deep ? distinct(given.flatMap((one) => branchesOf(resolved(one, root), root, deep - 1))) : [];
  if (Array.isArray(schema.type)) return schema.type.map((type) => ({ ...schema, type }));
  return [schema];
}

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const isNull = (schema) => schema.type === "null" || schema.const === null;

/**
 * Return what a field is: `{ kind, schema, nullable, default, ... }`. Kinds are choice (with its
 * `values`), text, number (`whole` or not), list (of `items`), object (of `properties`), union (of `branches`), and json for the rest.
 */
export function read(node, root) {
  const outer = resolved(node, root);
  const all = branchesOf(outer, root);
  const branches = all.filter((one) => !isNull(one));
  const nullable = branches.length < all.length || (outer.enum?.includes(null) ?? false);
  const { anyOf, oneOf, ...own } = outer;
  const schema = branches.length === 1 ? { ...branches[0], ...own, ...(Array.isArray(own.type) ? { type: branches[0].type } : {}) } : own;
  const about = { schema, nullable, default: schema.default, root };
  if (branches.length > 1) {
    const choices = branches.map(valuesOf);
    return choices.every(Boolean) ? { ...about, kind: "choice", values: distinct(choices.flat()) } : { ...about, kind: "union", branches };
  }
  const values = valuesOf(schema);
  if (values) return { ...about, kind: "choice", values };
  if (schema.type === "integer" || schema.type === "number") return { ...about, kind: "number", whole: schema.type === "integer" };
  if (schema.type === "string") return { ...about, kind: "text" };
  if (schema.type === "array" && schema.items) return { ...about, kind: "list", items: schema.items };
  const properties = inOrder(schema);
  if (properties.length) return { ...about, kind: "object", properties };
  return { ...about, kind: "json" };
}

function valuesOf(schema) {
  if (Array.isArray(schema.enum)) return schema.enum.filter((one) => one !== null);
  if (schema.const !== undefined) return [schema.const];
  return schema.type === "boolean" ? [true, false] : null;
}

const distinct = (values) => [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];

/** Return an object's properties, `[name, node, required]`, in the order that fal shows them in. */
export function inOrder(schema) {
  const properties = schema.properties ?? {};
  const first = (schema["x-fal-order-properties"] ?? []).filter((name) => Object.hasOwn(properties, name));
  const names = [...new Set([...first, ...Object.keys(properties)])];
  return names.map((name) => [name, properties[name], schema.required?.includes(name) ?? false]);
}

/** Say whether a value may be meant for a field: by its type, not by all of its bounds. */
export function fits(value, node, root) {
  const field = read(node, root);
  if (value === null) return field.nullable;
  if (field.kind === "choice") return field.values.some((one) => JSON.stringify(one) === JSON.stringify(value));
  if (field.kind === "text") return typeof value === "string";
  if (field.kind === "number") return typeof value === "number" && (!field.whole || Number.isInteger(value));
  if (field.kind === "list") return Array.isArray(value);
  if (field.kind === "union") return field.branches.some((one) => fits(value, one, root));
  if (field.kind === "json") return true;
  return isObject(value) && field.properties.every(([name, , required]) => !required || Object.hasOwn(value, name));
}

/** Return what a new item of a list, or the chosen branch of a union, begins as. */
export function blank(node, root, deep = 6) {
  const field = read(node, root);
  if (field.default !== undefined && field.default !== null) return field.default;
  if (field.kind === "choice") return field.values[0] ?? null;
  if (field.kind === "text") return "";
  if (field.kind === "number") return field.schema.minimum ?? 0;
  if (field.kind === "list") return [];
  if (field.kind === "union") return deep ? blank(field.branches[0], root, deep - 1) : null;
  if (field.kind === "json") return {};
  const needed = field.properties.filter(([, , required]) => required && deep);
  return Object.fromEntries(needed.map(([name, inner]) => [name, blank(inner, root, deep - 1)]));
}

/** Return in words what a field takes: `whole number, 1 to 8`. */
export function takes(field, deep = 3) {
  const { schema } = field;
  const said = {
    choice: () => line(field.values.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(" | "), 3000),
    text: () => `text${range(schema.minLength, schema.maxLength, " character")}`,
    number: () => `${field.whole ? "whole number" : "number"}${range(schema.minimum, schema.maximum)}${beyond(schema)}`,
    list: () => `list${range(schema.minItems, schema.maxItems, " item")}${deep ? ` of ${several(read(field.items, field.root), deep - 1)}` : ""}`,
    object: () => `object of ${field.properties.map(([name]) => name).join(", ")}`,
    union: () => (deep ? field.branches.map((one) => takes(read(one, field.root), deep - 1)).join(", or ") : "one of several"),
    json: () => (schema.type === "object" ? "object" : "JSON"),
  };
  return said[field.kind]() + (field.nullable ? ", or null" : "");
}

const several = (field, deep) => (field.kind === "object" ? "objects" : takes(field, deep));

const range = (least, most, unit) => {
  const of = (number) => (unit ? `${number}${unit}${number === 1 ? "" : "s"}` : number);
  if (least === undefined && most === undefined) return "";
  if (least === undefined) return `, ${of(most)} at most`;
  return most === undefined ? `, ${of(least)} at least` : `, ${least} to ${of(most)}`;
};

const beyond = ({ exclusiveMinimum: above, exclusiveMaximum: below, multipleOf: step }) =>
  `${above === undefined ? "" : `, above ${above}`}${below === undefined ? "" : `, below ${below}`}${step === undefined ? "" : `, in steps of ${step}`}`;

/** Say whether text is one of many words: a prompt, lyrics, something to be spoken. */
export function isLong(name, { maxLength = 0, examples, default: byDefault, ui }) {
  const long = (text) => typeof text === "string" && text.length > 60;
  return maxLength >= 300 || ui?.field === "textarea" || /(^|_)(prompts?|text|lyrics|script|caption|description)$/.test(name) || long(examples?.[0]) || long(byDefault);
}

/** Return the document's own description of a file at a path of the input, of which list places are numbers. */
export function fileAt(path, files) {
  return files.find((one) => one.path.length === path.length && one.path.every((part, place) => (part === null ? typeof path[place] === "number" : part === path[place])));
}

/** Say of what kind the file is whose URL a field takes, by its name; null for a field that takes none. */
export function fileKind(path, schema) {
  const name = path.findLast((part) => typeof part === "string") ?? "";
  if (schema._fal_ui_field) return schema._fal_ui_field;
  if (!/(^|_)urls?$/.test(name)) return null;
  return ["image", "video", "audio"].find((kind) => name.includes(kind)) ?? "file";
}
