/** What jobs would have cost at fal, by endpoint and key, beside the budget. */
import { get, health, ready } from "../api.js";
import { count, money, plural } from "../format.js";
import { Empty, EndpointId, Failure, Icon, Link, StatusMark, Table, html, useFollow, useRead } from "../parts.js";

export const title = "Spend";

/** Milliseconds between two readings that events ask for. */
const PAUSE = 500;
/** Bars of the chart; what is less is in the table. */
const BARS = 12;

export function Spend() {
  const {
    value: sums,
    error,
    again,
  } = useRead((signal) => ready.then(() => get("/spend", {}, { signal })), []);
  const kept = useRead((signal) => ready.then(() => get("/billing", {}, { signal })), []);
  useFollow(
    ["job_changed", "cost_alert", "budget_exceeded", "reset"],
    PAUSE,
    () => (again(), kept.again()),
    ({ kind, change }) => kind !== "job_changed" || change === "ended",
  );
  return html`<div class="view spend">
    <h1 tabindex="-1">Spend</h1>
    <${Failure} error=${error} again=${again} />
    ${sums && (sums.jobs ? html`<${Sums} sums=${sums} kept=${kept.value} />` : html`<${Nothing} budget=${sums.budget} kept=${kept.value} />`)}
  </div>`;
}

function Sums({ sums, kept }) {
  const dearest = [...sums.endpoints].sort((one, other) => other.cost - one.cost);
  const columns = (name, of) => [
    { name, of },
    { name: "Jobs", class: "number", of: ({ jobs }) => count(jobs) },
    { name: "Billed", class: "number", of: ({ billed }) => count(billed) },
    { name: "Cost", class: "number", of: Cost },
  ];
  return html` <p class="sum">
      <b>${sums.unpriced > 0 && html`<small>at least${" "}</small>`}${money(sums.cost)}</b>${" "}<span class="dim"
        >what ${plural(sums.jobs, "job")} would have cost at fal since the mock started;${" "}
        ${sums.billed === sums.jobs ? "all" : count(sums.billed)} of them billed</span>
    </p>
    ${
      sums.unpriced > 0 &&
      html`<p class="problem">
        <${Icon} name="warning" /><span><b>${plural(sums.unpriced, "job")} of unknown price</b>${" "}${sums.unpriced === 1 ? "is" : "are"} in no sum, and no budget sees
          ${sums.unpriced === 1 ? "it" : "them"}. A document of your own can say the price
          (docs/documents.md).</span>
      </p>`
    }
    <${Limits} sums=${sums} />
    <section aria-labelledby="byendpoint">
      <h2 id="byendpoint">By endpoint</h2>
      <${Chart} rows=${dearest.filter(({ cost }) => Number(cost)).slice(0, BARS)} />
      <${Table} label="Cost by endpoint" rows=${dearest} keyOf=${(one) => one.endpoint_id}
        columns=${columns("Endpoint", (one) => html`<${Link} to="jobs" query=${{ endpoint: `"${one.endpoint_id}"` }}><${EndpointId} id=${one.endpoint_id} /><//>`)} />
    </section>
    <section aria-labelledby="bykey">
      <h2 id="bykey">By key</h2>
      <${Table} label="Cost by key" rows=${[...sums.keys].sort((one, other) => other.cost - one.cost)} keyOf=${({ key }) => key}
        columns=${columns("Key", ({ key }) => html`<${Link} to="jobs" query=${{ key }}>${key || "no key"}<//>`)} />
    </section>
    ${kept && kept.cost !== sums.cost && html`<p class="dim">The jobs that are still here cost ${money(kept.cost)} (${plural(kept.jobs, "job")}): a reset gives nothing back, and jobs of earlier runs aren't counted above.</p>`}`;
}

/** A cost, with what isn't known of it. */
const Cost = ({ cost, unpriced, billed }) =>
  html`${unpriced && unpriced === billed ? "" : money(cost)}${unpriced > 0 && html`${" "}<span class="warn">${unpriced === billed ? "" : "+ "}${count(unpriced)} unknown</span>`}`;

/** How much of the budget is spent, and which alerts were reached. */
function Limits({ sums: { cost, budget } }) {
  const alerts = (health.value?.settings?.alert_at ?? [])
    .map(String)
    .sort((one, other) => one - other);
  if (budget === null && !alerts.length)
    return html`<p class="dim">
      No budget:${" "}<code>--budget 2.50</code>${" "}has a run fail that would have cost
      more,${" "}<code>--alert-at 1.00</code>${" "}says when an amount is reached.
    </p>`;
  const over = budget !== null && Number(cost) > Number(budget);
  const whole = Math.max(Number(cost), Number(budget ?? 0), ...alerts.map(Number)) || 1;
  const at = (amount) => `${(Number(amount) / whole) * 100}%`;
  const difference = budget === null ? 0 : Math.abs(Number(budget) - Number(cost)).toFixed(6);
  return html`<section aria-label="Budget" class="limits">
    ${budget !== null && html`<p><${StatusMark} state=${over ? "failed" : "done"}>${over ? `Over the budget of ${money(budget)} by ${money(difference)}` : `${money(difference)} of the budget of ${money(budget)} left`}<//></p>`}
    <svg width="100%" height="18" role="img" aria-label=${`${money(cost)} spent${budget === null ? "" : ` of ${money(budget)}`}`}>
      <rect class="rail" width="100%" height="10" y="4" rx="3" />
      <rect class=${over ? "spent over" : "spent"} width=${at(cost)} height="10" y="4" rx="3" />
      ${alerts.map((one) => html`<line key=${one} class="mark" x1=${at(one)} x2=${at(one)} y1="0" y2="18" />`)}
      ${budget !== null && html`<line class="mark budget" x1=${at(budget)} x2=${at(budget)} y1="0" y2="18" />`}
    </svg>
    ${alerts.length > 0 && html`<p class="alerts">${alerts.map((one) => html`<${StatusMark} key=${one} state=${Number(cost) >= Number(one) ? "warning" : "queued"}>alert at ${money(one)}: ${Number(cost) >= Number(one) ? "reached" : "not reached"}<//>`)}</p>`}
  </section>`;
}

/** Bars of what the dearest endpoints cost; the table below has the same for who can't see them. */
function Chart({ rows }) {
  if (rows.length < 2) return null;
  const most = Number(rows[0].cost);
  return html`<svg class="chart" width="100%" height=${rows.length * 24} role="img" aria-label=${`The dearest: ${rows[0].endpoint_id}, ${money(rows[0].cost)}`}>
    ${rows.map(
      ({ endpoint_id: id, cost }, place) =>
        html`<g key=${id}>
          <rect x="0" y=${place * 24 + 3} height="18" rx="2" width=${`${Math.max(0.4, (Number(cost) / most) * 48)}%`}><title>${id}: ${money(cost)}</title></rect>
          <text x=${`${Math.max(0.4, (Number(cost) / most) * 48)}%`} dx="8" y=${place * 24 + 16}>${money(cost)}${" "}<tspan class="dim">${id.split("/").slice(1).join("/")}</tspan></text></g>`,
    )}
  </svg>`;
}

function Nothing({ budget, kept }) {
  return html`<${Empty} title="Nothing was spent yet.">
    <p>
      What jobs would have cost at fal is counted here as they end: by endpoint and by key, at fal's
      published prices. A wrong input, a server's error and a cancelled job cost nothing.
    </p>
    ${budget !== null && html`<p>The budget is ${money(budget)}.</p>`}
    ${kept?.jobs > 0 && html`<p class="dim">The jobs that are here from before the mock started cost ${money(kept.cost)} (${plural(kept.jobs, "job")}).</p>`}
    <p>
      <${Link} to="jobs">How to start a job<//>${" "}·${" "}<${Link} to="endpoints">Prices of the endpoints<//>
    </p><//>`;
}
