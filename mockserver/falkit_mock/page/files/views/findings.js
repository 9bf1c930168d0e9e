/** What is wrong with the program that called: the same as GET /__falkit/report, by what it is. */
import { get, health, ready } from "../api.js";
import { dateTime, plural } from "../format.js";
import { Copy, Empty, EndpointId, Facts, Failure, Filter, Head, Icon, Link, Prose, Unlike, html, useFollow, useJobs, useRead } from "../parts.js";
import { like } from "../kept.js";
import { href, setQuery } from "../router.js";

export const title = "Findings";

/** Milliseconds between two readings that events ask for. */
const PAUSE = 400;
/** The worst first, with their shapes. */
export const SEVERITIES = { error: "failed", warning: "warning", note: "note" };
const MANY = 20;

export function Findings({ params: { query } }) {
  const ended = query.ended === "yes";
  const {
    value: report,
    error,
    again,
  } = useRead(
    async (signal) => {
      await ready;
      const read = (conclude) => get("/report", { conclude }, { signal });
      const [report, before] = await Promise.all([read(ended || undefined), ended && read()]);
      const known = new Set(before?.findings?.map(nameOf));
      return { ...report, more: ended && report.findings.filter((one) => !known.has(nameOf(one))).length };
    },
    [ended],
  );
  // With every request times may grow; what is new has an event of its own, and comes at once.
  useFollow(["finding_made"], PAUSE, again);
  useFollow(["request_answered", "delivery_attempted"], 5 * PAUSE, again);
  const found = report?.findings ?? [];
  const shown = found.filter(
    (one) =>
      (!query.severity || one.severity === query.severity) &&
      (!query.code || one.code === query.code) &&
      (!query.test || like(query.test)(one.test)),
  );
  const codes = [...new Set(found.map(({ code }) => code))].sort();
  const groups = Map.groupBy(shown, ({ code, severity }) => `${code} ${severity}`);
  const filtered = query.severity || query.code || query.test;
  return html`<div class="view findings">
    <${Head}
      bare
      title="Findings"
      total=${Object.entries(report?.counts ?? {})
        .filter(([, number]) => number)
        .map(([severity, number]) => plural(number, severity))
        .join(", ")}
      buttons=${shown.length > 0 && html`<${Copy} text=${() => asText(shown)} label="Copy as text">Copy as text<//>`}>
        <${Filter} name="severity" label="Severity" options=${Object.keys(SEVERITIES)} />
        <${Filter} name="code" label="Code" options=${codes} />
        <${Filter} name="test" label="Test" search placeholder="test_video.py" />
        <label class="filter"><input type="checkbox" checked=${ended} onChange=${(event) => setQuery({ ended: event.target.checked ? "yes" : "" })} />${" "}As if the program had ended</label>
    <//>
    <${Failure} error=${error} again=${again} />
    ${
      Number.isInteger(report?.more) &&
      html`<p class="dim">
        Judged as if the program had ended: ${report.more ? plural(report.more, "finding") : "nothing"} more.
        A result that nobody fetched is no mistake by itself.
      </p>`
    }
    ${report?.problems.map(
      (problem) =>
        html`<p key=${problem} class="problem">
          <${Icon} name="warning" /><span><b>Not looked at:</b>${" "}${problem}</span>
        </p>`,
    )}
    ${
      report &&
      !shown.length &&
      (filtered
        ? html`<${Unlike} one="finding" />`
        : html`<${Nothing} report=${report} />`)
    }
    ${[...groups].map(([name, group]) => html`<${Group} key=${name} group=${group} />`)}
  </div>`;
}

const nameOf = ({ fingerprint, test }) => `${fingerprint} ${test}`;

/** All findings of one kind: what fal does and how to mend it, and where it was seen. */
function Group({ group }) {
  const [{ code, severity, title, fal, fix, why }] = group;
  const times = group.reduce((sum, one) => sum + one.times, 0);
  const jobs = useJobs(group.slice(0, MANY).map((one) => one.request_id));
  return html`<section class=${`finding ${severity}`} aria-label=${`${severity}: ${title}`}>
    <header>
      <span class=${`status ${severity}`}><${Icon} name=${SEVERITIES[severity]} /><b>${severity}</b></span>
      <h2>${title}</h2>
      <code class="dim">${code}</code>
      <span class="dim times">${times === 1 ? "once" : `${times} times`}</span><${Copy} text=${() => asText(group)} label=${`Copy ${code} as text`}>Copy<//>
    </header>
    <ul>
      ${group.slice(0, MANY).map((one) => html`<${Seen} key=${nameOf(one)} one=${one} jobs=${jobs} />`)}
    </ul>
    ${group.length > MANY && html`<p class="dim">and ${plural(group.length - MANY, "other")}; “Copy” has all of them.</p>`}
    <${Facts} rows=${[
        ["fal", html`<${Prose} text=${fal} />`],
        ["Fix", html`<${Prose} text=${fix} />`],
        ["Why", html`<${Prose} text=${why} />`],
        ["More", html`<code>falkit explain ${code}</code>`],
      ]}
    />
  </section>`;
}

function Seen({ one, jobs }) {
  const {
    seen,
    subject,
    times,
    key,
    test,
    client,
    time,
    request_id: id,
    path,
    line,
    accepted,
  } = one;
  const about = [
    times > 1 && `${times} times`,
    key && `key ${key}`,
    client,
    time !== null && `first at ${dateTime(time)}`,
    path && `${path}${line ? `:${line}` : ""}`,
    accepted && `accepted: ${accepted}`,
  ].filter(Boolean);
  return html`<li>
    <p class="seen">
      ${subject && (/^[a-z0-9-]+\/\S+$/i.test(subject) ? html`<${EndpointId} id=${subject} />` : html`<code>${subject}</code>`)}${" "}<span><${Prose} text=${seen} /></span>
    </p>
    <p class="dim">
      ${about.join(" · ")}${test && html` ·${" "}<a href=${href("findings", "", { test })}>${test}</a> ·${" "}<${Link} to="jobs" query=${{ test: `"${test}"` }}>Its jobs<//>`}
      ${id && html` · ${jobs.includes(id) && html`<${Link} to="jobs" rest=${id}>Job<//>${" "}· `}<${Link} to="requests" query=${{ request_id: id }}>Requests<//>`}
    </p>
  </li>`;
}

/** Return findings as text to send to somebody. */
function asText(findings) {
  return findings
    .map(({ severity, code, title, subject, seen, times, fal, fix, key, test, client }) =>
      [
        `${severity}: ${title} [${code}]`,
        `  seen: ${[subject, seen].filter(Boolean).join(": ")}${times > 1 ? ` (${times} times)` : ""}`,
        `  fal:  ${fal}`,
        `  fix:  ${fix}`,
        ...(test ? [`  test: ${test}`] : []),
        ...(key || client
          ? [`  by:   ${[key && `key ${key}`, client].filter(Boolean).join(", ")}`]
          : []),
      ].join("\n"),
    )
    .join("\n\n");
}

/** With no finding: what was looked at, so that one can tell clean from not tried. */
function Nothing({ report }) {
  const { requests, jobs } = report;
  if (!requests.total) {
    return html`<${Empty} title="Nothing to judge yet.">
      <p>
        falkit watches how your program calls, and says here what fails at fal, leaks a key, or
        costs money for nothing. It begins with the first request.
      </p>
      <p><${Link} to="jobs">How to send one<//></p><//>`;
  }
  return html`<${Empty} title="Nothing was found."><p>
      In ${plural(requests.total, "request")} and ${plural(jobs.total ?? 0, "job")}. What can only
      be told at a program's end, such as a job that nobody looks at again, is judged${" "}<a href=${href("findings", "", { ended: "yes" })}>as if it had ended</a>.
    </p>
    ${health.value?.settings?.probe_webhooks === false && html`<p class="dim">Whether receivers of webhooks check signatures is asked with${" "}<code>--probe-webhooks</code>.</p>`}<//>`;
}
