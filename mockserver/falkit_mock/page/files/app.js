/** The shell: header, navigation, the view that the URL names, and keys. */
import { clock, connect, connection, follow, get, health, now, ready, setTenant, spent, tenant, tick } from "./api.js";
import { count, dayTime, iso, money, zone } from "./format.js";
import { keysAreFree } from "./list.js";
import { Copy, Dialog, Empty, Icon, Link, Said, html, render, signal, useEffect, useRef, useState } from "./parts.js";
import { go, route, setQuery } from "./router.js";

/** Views by their names in the URL: the module, its component, and the key after g. */
const VIEWS = {
  jobs: [() => import("./views/jobs.js"), "Jobs", "j"],
  job: [() => import("./views/job.js"), "Job"],
  requests: [() => import("./views/requests.js"), "Requests", "r"],
  webhooks: [() => import("./views/webhooks.js"), "Webhooks", "w"],
  findings: [() => import("./views/findings.js"), "Findings", "f"],
  spend: [() => import("./views/spend.js"), "Spend", "s"],
  files: [() => import("./views/files.js"), "Files", "i"],
  control: [() => import("./views/control.js"), "Control", "c"],
  playground: [() => import("./views/playground.js"), "Playground", "p"],
  endpoints: [() => import("./views/endpoints.js"), "Endpoints", "e"],
};

const helping = signal(false);

function Shell() {
  return html`
    <a class="skip" href="#main" onClick=${(event) => {
      event.preventDefault();
      document.querySelector("main h1")?.focus();
    }}>Skip to the content</a>
    <${Header} />
    <${Navigation} />
    <main id="main"><${Lost} /><${View} /></main>
    <${Said} />
    ${helping.value && html`<${Help} />`}`;
}

function Header() {
  return html`<header class="top">
    <${Link} to="jobs" class="brand"><svg viewBox="0 0 16 16" width="20" height="20" aria-hidden="true"><rect class="tile" width="16" height="16" rx="3.5" /><path d="M5 12.5V6.2A2.7 2.7 0 0 1 7.7 3.5H11M3.5 8H9" /></svg>falkit<//>
    <span class="address"><code>${location.host}</code><${Copy} text=${location.origin} label="Copy the mock's URL" /></span>
    <${Tenants} />
    <${Counts} />
    <${Clock} />
    <${Connection} />
    <button class="plain help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick=${() => (helping.value = true)}>?</button>
  </header>`;
}

function Clock() {
  tick.value;
  const { running } = clock.value;
  const moment = now();
  return html`<${Link} to="control" class="clock ${running ? "" : "paused"}" title=${`The mock's clock: ${iso(moment)}; here in ${zone()}`}>
    ${running ? "" : html`<${Icon} name="held" /> paused `}<time>${dayTime(moment, Date.now() / 1000)}</time><//>`;
}

function Counts() {
  const sums = spent.value;
  if (!sums) return html`<span class="counts"></span>`;
  return html`<${Link} to="spend" class="counts" title="What the jobs that ended would have cost at fal"><b>${count(sums.jobs)}</b> ended <b>${money(sums.cost)}</b><//>`;
}

const CONNECTIONS = { connecting: "Connecting", live: "Live", lost: "Disconnected", refused: "Token needed" };

function Connection() {
  const state = connection.value;
  return html`<span class="connection ${state}" role="status"><span class="dot" aria-hidden="true"></span>${CONNECTIONS[state]}</span>`;
}

function Lost() {
  const state = connection.value;
  if (state === "lost") {
    return html`<p class="banner bad"><${Icon} name="failed" /><span><b>The mock at ${location.host} doesn't answer.</b> What you see is from before; the page goes on by itself once it is back.</span><button onClick=${() => connect()}>Try now</button></p>`;
  }
  if (state === "refused") {
    return html`<p class="banner bad"><${Icon} name="failed" /><span><b>The mock wants its control token.</b> It has run out, or the mock was started anew.</span><button onClick=${() => location.reload()}>Enter it</button></p>`;
  }
  return null;
}

/** Which key's mock is shown, in one that has a mock for each. */
function Tenants() {
  const [keys, setKeys] = useState([]);
  const wanted = health.value?.settings?.tenants;
  const read = () =>
    get("/tenants", { key: "" }).then(({ tenants }) => setKeys(tenants.map((one) => one.key ?? one.tenant ?? one.id)), () => {});
  useEffect(() => {
    if (wanted) read();
  }, [wanted]);
  if (!wanted) return null;
  const all = keys.includes(tenant.value) || !tenant.value ? keys : [tenant.value, ...keys];
  return html`<label class="tenant">Key <select value=${tenant.value} onFocus=${read} onChange=${(event) => {
    setTenant(event.target.value);
    setQuery({ key: event.target.value });
  }}>
    <option value="" disabled selected=${!tenant.value}>choose…</option>
    ${all.map((key) => html`<option key=${key} value=${key} selected=${key === tenant.value}>${key}</option>`)}
  </select></label>`;
}

function Navigation() {
  const { name } = route.value;
  const here = name === "job" ? "jobs" : name;
  // On a narrow window there is more of it than is seen.
  useEffect(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [here]);
  return html`<nav aria-label="Views">${Object.entries(VIEWS).filter(([, [, , key]]) => key).map(
    ([name, [, label, key]]) => html`<${Link} key=${name} to=${name} aria-current=${name === here ? "page" : undefined} title=${`${label} (g ${key})`}>${label}<//>`,
  )}</nav>`;
}

/** The view that the URL names, once its module is here. */
function View() {
  const { name, rest, query } = route.value;
  const view = name === "jobs" && rest ? "job" : name;
  const known = Object.hasOwn(VIEWS, view);
  const [loaded, setLoaded] = useState({});
  const first = useRef(true);
  const live = connection.value === "live";
  useEffect(() => {
    if (!known || (loaded.view === view && !loaded.error)) return;
    let here = true;
    VIEWS[view][0]().then(
      (module) => here && setLoaded({ view, module }),
      (error) => here && setLoaded({ view, error }),
    );
    return () => {
      here = false;
    };
    // What could not be fetched may be by now.
  }, [view, live]);
  const shown = loaded.view === view;
  useEffect(() => {
    const { title } = loaded.module ?? {};
    const heading = typeof title === "function" ? title({ rest, query }) : (title ?? "falkit");
    document.title = heading === "falkit" ? heading : `${heading} · falkit`;
    if (!shown) return;
    // Whoever opens the page begins at its top; whoever goes to a view, at the view, or at the row from which they had left it.
    if (!first.current && (rest || !document.activeElement.closest(".row"))) document.querySelector("main h1")?.focus({ preventScroll: true });
    first.current = false;
  }, [shown, view, rest]);
  if (!known) {
    return html`<h1 tabindex="-1">Nothing here</h1><${Empty} title=${`There is no view “${name}”.`}><p><${Link} to="jobs">Go to the jobs<//></p><//>`;
  }
  if (!shown) return html`<p class="loading" role="status">Loading…</p>`;
  if (loaded.error) {
    return html`<h1 tabindex="-1">${VIEWS[view][1]}</h1><${Empty} title="This view could not be loaded.">${!live ? html`<p>The mock doesn't answer. Once it does, it is loaded again.</p>` : html`<p>${loaded.error.message}</p><p><button onClick=${() => location.reload()}>Load the page again</button></p>`}<//>`;
  }
  if (health.value?.settings?.tenants && !tenant.value) {
    return html`<h1 tabindex="-1">${VIEWS[view][1]}</h1><${Empty} title="Choose a key above."><p>This mock was started with <code>--tenants</code>: each key has jobs, a clock and files of its own. A key is there from its first request on.</p><//>`;
  }
  const Shown = loaded.module[VIEWS[view][1]];
  return html`<${Shown} key=${`${view} ${view === "job" ? rest : ""} ${tenant.value}`} params=${{ rest, query }} />`;
}

const KEYS = [
  ["j  k", "next and previous row"], ["Enter", "open the row"], ["/", "filter"], ["Esc", "leave a field, close, go back up"],
  ["?", "this help"],
];

function Help() {
  const rows = [...KEYS, ...Object.values(VIEWS).filter(([, , key]) => key).map(([, label, key]) => [`g ${key}`, label])];
  return html`<${Dialog} title="Keyboard shortcuts" close=${() => (helping.value = false)}>
    <dl class="keys">${rows.map(([keys, what]) => html`<div key=${keys}><dt>${keys.split(/ +/).map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl>
  <//>`;
}

// What has the focus may go, or be out of use for a while, and the focus with it: one goes on from there, or from the heading.
let [focused, lost] = [null, false];
addEventListener("focusin", ({ target }) => (focused = target));
new MutationObserver(() => {
  if (document.activeElement !== document.body || !focused || focused.closest(".row")) return;
  const gone = !focused.isConnected;
  if (gone || (lost && !focused.disabled)) (gone ? document.querySelector("main h1") : focused)?.focus({ preventScroll: true });
  lost = focused.disabled;
}).observe(document.body, { subtree: true, childList: true, attributeFilter: ["disabled"] });

let leading = -Infinity;
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("input, textarea, select")) {
    // A browser empties a field for searching without telling, and the filter would stay.
    if (event.target.type === "search") event.preventDefault();
    return event.target.blur();
  }
  if (!keysAreFree(event) || event.defaultPrevented) return;
  if (event.timeStamp - leading < 1500) {
    leading = -Infinity;
    const view = Object.keys(VIEWS).find((name) => VIEWS[name][2] === event.key);
    if (view) {
      event.preventDefault();
      go(view);
    }
  } else if (event.key === "g") leading = event.timeStamp;
  else if (event.key === "?") helping.value = true;
  else if (event.key === "/") {
    event.preventDefault();
    document.querySelector("main [data-search]")?.focus();
  } else if (event.key === "Escape" && route.value.rest) go(route.value.name, "", route.value.query);
});

let counting = 0;
function readSpent() {
  counting ||= setTimeout(() => {
    counting = 0;
    get("/spend").then((sums) => (spent.value = sums), () => {});
  }, spent.value ? 1000 : 0);
}

// The tenant is in the URL, so that a copied one leads to the same.
route.subscribe(({ query }) => health.value?.settings?.tenants && query.key && setTenant(query.key));
follow(["job_changed", "reset"], (events) => events.some(({ kind, change }) => kind !== "job_changed" || change === "ended") && readSpent());
render(html`<${Shell} />`, document.getElementById("app"));
connect(route.value.query.key);
ready.then(readSpent);
