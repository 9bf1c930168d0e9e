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
/** What was opened of the list that is shown again, by its view and id: where one goes on. */
export const opened = { of: route.value.name, id: route.value.rest };
addEventListener("hashchange", () => {
  const { name, rest } = (route.value = parse(location.hash));
  if (rest || name !== opened.of) Object.assign(opened, { of: name, id: rest });
});

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
