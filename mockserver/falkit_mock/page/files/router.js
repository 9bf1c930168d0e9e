/** The route in the URL's hash: `#/NAME/REST?QUERY`. */
import { tenant } from "./api.js";
import { signal } from "./vendor/signals.js";

/** @returns {{name: string, rest: string, query: Record<string, string>}} */
export function parse(hash) {
  const [path, text = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/");
  return {
    name: name || "jobs",
    rest: rest.map(decoded).join("/"),
    query: Object.fromEntries(new URLSearchParams(text)),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Return the hash of a route; what is empty in a query is left out, and the tenant is added. */
export function href(name, rest = "", query = {}) {
  const all = tenant.value ? { ...query, key: tenant.value } : query;
  const given = Object.entries(all).filter(([, value]) => ![undefined, null, ""].includes(value));
  const tail = rest ? `/${rest.split("/").map(encodeURIComponent).join("/")}` : "";
  const text = new URLSearchParams(given).toString();
  return `#/${name}${tail}${text ? `?${text}` : ""}`;
}

/** The route that is shown. */
export const route = signal(parse(location.hash));
/** What was opened, and of which list: whoever comes back to it goes on from there. */
export const opened = { id: "", list: "" };
const note = ({ name, rest, query }) => rest && Object.assign(opened, { id: rest, list: href(name, "", query) });
note(route.value);
addEventListener("hashchange", () => note((route.value = parse(location.hash))));

/** Show another view, which the browser's back button leaves again. */
export function go(name, rest, query) {
  location.hash = href(name, rest, query);
}

/** Change the query of the view that is shown; typing in a filter makes no entry in the history. */
export function setQuery(changes) {
  // A link that was just followed is in the URL before it is in the route.
  const { name, rest, query } = parse(location.hash);
  history.replaceState(null, "", href(name, rest, { ...query, ...changes }));
  route.value = parse(location.hash);
}
