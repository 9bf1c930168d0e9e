/** A job's course as a picture: queue and run, the client's requests, attempts of the webhook. */
import { now, tick } from "../api.js";
import { duration, plural, plus } from "../format.js";
import { STATES, html, stateOf, useLayoutEffect, useRef, useState } from "../parts.js";

const LEFT = 76;
const LANE = 30;
const RIGHT = 24;

/** Marks at the end of a job, around its middle. */
const ENDS = {
  failed: "M-4 -4L4 4M4 -4L-4 4",
  cancelled: "M-5 0H5",
  done: "M-4 0L-1 3L5 -4",
};

/** What a request asks of a job, by the end of its path. */
export function purpose({ method, path, number }, first) {
  if (/\/cancel\/?$/.test(path)) return "cancel";
  if (/\/status\/stream\/?$/.test(path)) return "stream";
  if (/\/status\/?$/.test(path)) return "status";
  if (/\/requests\/[^/]+\/?$/.test(path)) return method === "GET" ? "result" : method.toLowerCase();
  return method === "POST" && (first === undefined || number === first) ? "submit" : "request";
}

export function Timeline({ job, requests, attempts }) {
  tick.value;
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([one]) => setWidth(Math.floor(one.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const moment = now();
  const over = job.status === "COMPLETED";
  const begin = Math.min(job.created, ...requests.map(({ time }) => time));
  const started = job.starts !== null && job.starts <= moment ? job.starts : null;
  const end = over ? (job.ends ?? moment) : moment;
  const next = attempts.at(-1)?.next;
  const planned = over ? [] : [job.starts, job.ends].filter((one) => one !== null);
  const sent = attempts.map((one) => one.sent);
  const moments = [end, ...planned, ...requests.map(({ time, ms }) => time + (ms ?? 0) / 1000), ...sent, ...(next && next > 0 ? [next] : [])];
  const last = Math.max(...moments, begin + 0.001);
  const place = scale(begin, last, Math.max(0.001, (planned.at(-1) ?? end) - begin), Math.max(80, width - LEFT - RIGHT));
  const x = (time) => LEFT + place(time);
  const lanes = [["Job", 0], ...(requests.length ? [["Requests", 1]] : []), ...(attempts.length ? [["Webhook", requests.length ? 2 : 1]] : [])];
  const base = lanes.length * LANE + 8;
  const state = stateOf(job, moment);
  const bar = (from, to, kind, name) =>
    to > from &&
    html`<rect class=${`bar ${kind}`} x=${x(from)} y="8" width=${Math.max(2, x(to) - x(from))} height="14" rx="2"><title>${name}: ${duration(to - from)}</title></rect>`;
  const told = [
    started === null
      ? `waits for ${duration(end - job.created)}`
      : `queued ${duration(started - job.created)}, ran ${duration(end - started)}`,
    STATES[state].toLowerCase(),
    plural(requests.length, "request"),
    plural(attempts.length, "webhook attempt"),
  ].join("; ");
  return html`<div class="timeline" ref=${box}>
    ${
      width > 0 &&
      html`<svg width=${width} height=${base + 22} role="img" aria-label=${told}>
        <${Axis} x=${x} begin=${begin} moments=${[begin, started, over ? job.ends : null, ...planned, ...sent, next, last]} y=${base} width=${width} />
        ${lanes.map(
          ([name, lane]) =>
            html`<g key=${name} transform=${`translate(0 ${lane * LANE})`}>
              <text class="lane" x="0" y="19">${name}</text>
              <line class="rail" x1=${LEFT} x2=${width - RIGHT} y1="15" y2="15" />
            </g>`,
        )}
        ${bar(job.created, started ?? (over ? end : moment), "queue", "queued")}
        ${started !== null && bar(started, end, `run ${state}`, "ran")}
        ${
          !over &&
          job.ends !== null &&
          bar(Math.max(moment, job.starts ?? moment), job.ends, "ahead", "still to run")
        }
        ${
          over &&
          html`<g class=${`end ${state}`} transform=${`translate(${x(end) + 11} 15)`}>
            <path d=${ENDS[state] ?? ENDS.done} />
          </g>`
        }
        ${requests.map((one) => tickOf(one, x, requests[0]?.number))}
        ${attempts.map((one, place) => attemptOf(one, x, lanes.length - 1, place))}
        ${
          next &&
          html`<circle class="next" cx=${x(next)} cy=${(lanes.length - 1) * LANE + 15} r="5">
            <title>next attempt ${duration(next - begin)} after the submit</title>
          </circle>`
        }
      </svg>`
    }
  </div>`;
}

/** Return what places moments: by their share of the time; where the job is a small part, later ones closer. */
function scale(begin, last, job, width) {
  const whole = last - begin;
  if (whole < job * 6) return (time) => ((time - begin) / whole) * width;
  const most = Math.log1p(whole / job);
  return (time) => (Math.log1p(Math.max(0, time - begin) / job) / most) * width;
}

function tickOf(one, x, first) {
  const what = purpose(one, first);
  const bad = one.status === null || one.status === 0 || one.status >= 400;
  const [from, to] = [x(one.time), x(one.time + (one.ms ?? 0) / 1000)];
  const title = html`<title>
    ${what}: ${one.method} ${one.path}, ${one.status ?? "not answered yet"}
  </title>`;
  if (what === "stream")
    return html`<rect key=${one.number} class=${`stream ${bad ? "bad" : ""}`} x=${from} y=${LANE + 10} width=${Math.max(3, to - from)} height="10" rx="2">${title}</rect>`;
  const high = what === "status" ? 6 : 9;
  return html`<line key=${one.number} class=${`tick ${what} ${bad ? "bad" : ""}`}
    x1=${from}
    x2=${from}
    y1=${LANE + 15 - high}
    y2=${LANE + 15 + high}
    >${title}</line>`;
}

function attemptOf(one, x, lane) {
  const good = one.status === "acknowledged";
  return html`<g key=${one.id} class=${`attempt ${good ? "good" : "bad"}`} transform=${`translate(${x(one.sent)} ${lane * LANE + 15})`}>
    <circle r="6" /><path d=${good ? "M-2.5 0L-0.8 1.8L2.8 -2" : "M-2 -2L2 2M2 -2L-2 2"} /><title>
      attempt ${one.number}: ${one.status}${one.response ? `, ${one.response.status_code}` : ""}
    </title></g>`;
}

/** The moments that matter, in seconds after the submit, as many as there is room for. */
function Axis({ x, begin, moments, y, width }) {
  const places = [...new Set(moments.filter((one) => one !== null && one !== undefined))].sort((a, b) => a - b);
  let [free, last] = [-Infinity, ""];
  const label = (one) => plus(one - begin);
  const shown = places.filter((one) => {
    const here = x(one);
    if (here < free || here > width - 10 || label(one) === last) return false;
    [free, last] = [here + 56, label(one)];
    return true;
  });
  return html`<g class="axis">${shown.map(
      (one) =>
        html`<g key=${one} transform=${`translate(${x(one)} 0)`}>
          <line y1="4" y2=${y} />
          <text y=${y + 14} text-anchor="middle">
            ${label(one)}
          </text>
        </g>`,
    )}</g>`;
}
