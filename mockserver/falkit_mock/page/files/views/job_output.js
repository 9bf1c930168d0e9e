/** What a job answered: files as one sees or hears them, what was asked and measured, the body. */
import { get, now, tick } from "../api.js";
import { duration, told } from "../format.js";
import { Media, filesIn, local } from "../media.js";
import { Code, Facts, Json, Tabs, html, isExpired, stateOf, useRead, useState } from "../parts.js";

/** Fields of inputs that ask for a size, a length or a rate, by what is measured of the file. */
const ASKED = {
  Size: ["resolution", "image_size", "video_size", "width", "height", "aspect_ratio"],
  Length: ["duration", "duration_seconds", "seconds", "seconds_total", "num_frames"],
  Rate: ["fps", "frames_per_second", "frame_rate", "sample_rate"],
  Number: ["num_images", "num_videos", "num_outputs"],
  Format: ["output_format", "format", "video_output_type"],
};

export function Output({ job, endpoint }) {
  tick.value;
  const [seen, see] = useState("Shown");
  const [measured, setMeasured] = useState({});
  // What a browser can't measure, such as the rate, as the mock has it of its own files.
  const known = useRead(
    (signal) =>
      job.status === "COMPLETED"
        ? get("/files", { request_id: job.request_id, limit: 100 }, { signal })
        : Promise.resolve(null),
    [job.request_id, job.status],
  );
  const learn = (url) => (facts) => setMeasured((all) => ({ ...all, [url]: facts }));
  const { outcome } = job;
  if (job.status !== "COMPLETED") {
    const state = stateOf(job, now());
    return html`<p class="dim">
      ${
        state === "held"
          ? "Held: release it, or complete it."
          : job.ends === null
            ? "Nothing yet."
            : `In ${duration(Math.max(0, job.ends - now()))}, by the mock's clock.`
      }
    </p>`;
  }
  if (!outcome) return html`<p class="dim">It has none.</p>`;
  const gone = isExpired(job);
  const body = outcome.body;
  const files = outcome.status_code < 400 ? filesIn(body) : [];
  const headers = Object.entries(outcome.headers ?? {});
  const facts = Object.fromEntries((known.value?.files ?? []).map((one) => [one.url, one.facts]));
  const all = files.map(({ url }) => ({ ...facts[local(url)], ...measured[url] }));
  return html`${gone && html`<p class="dim">It has expired: whoever asks for the status or the result is answered 404.</p>`}
    <${Tabs} names=${["Shown", "JSON"]} chosen=${seen} choose=${see} label="Show the output as" />
    ${
      seen === "JSON"
        ? html`<${Code} text=${typeof body === "string" ? body : JSON.stringify(body, null, 2)} label="Output" />`
        : html` ${files.map(
              (file) => html`<${Media} key=${file.url + gone} file=${file} gone=${gone} tell=${learn(file.url)} />`,
            )}
            ${files.length > 0 && html`<${Compared} ...${{ job, endpoint, all }} />`}
            <${Spoken} body=${body} />
            <div class="boxed"><${Json} value=${body} /></div>`
    }
    ${
      headers.length > 0 &&
      html`<details>
        <summary>Response headers</summary>
        <${Facts} rows=${headers} />
      </details>`
    }`;
}

/** What was asked for, by name or by default, beside what the files are. */
function Compared({ job, endpoint, all }) {
  const defaults = endpoint?.defaults ?? {};
  const asked = (names) => {
    const said = names
      .map((name) => [name, job.input?.[name] ?? defaults[name], job.input?.[name] === undefined])
      .filter(([, value]) => value !== undefined && value !== null);
    return said.map(([name, value, dim]) => {
      const whole = `${name} ${told(value)}${dim ? " (default) " : " "}`;
      return html`<span key=${name} class=${dim ? "dim" : ""}>${whole}</span>`;
    });
  };
  const of = (read) => [...new Set(all.map(read).filter(Boolean))].join(", ");
  const rows = [
    ["Size", of(({ width, height }) => width && `${width} × ${height}`)],
    ["Length", of(({ seconds }) => seconds && `${Number(seconds.toFixed(2))} s`)],
    ["Rate", of(({ fps, rate }) => (fps ? `${fps} fps` : rate && `${rate} Hz`))],
    ["Number", String(all.length)],
    ["Format", of(({ type }) => type)],
  ]
    .map(([name, is]) => [name, asked(ASKED[name]), is])
    .filter(([, wanted]) => wanted.length);
  if (!rows.length) return null;
  return html`<table class="compared">
    <thead>
      <tr>
        <th scope="col"><span class="sr">Measure</span></th>
        <th scope="col">Asked for</th>
        <th scope="col">Measured</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([name, wanted, is]) =>
          html`<tr key=${name}>
            <th scope="row">${name}</th>
            <td>${wanted}</td>
            <td>${is || "–"}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

const SPOKEN = ["output", "text", "response", "transcript", "caption", "description"];

/** The text that a model answered, as one reads it. */
function Spoken({ body }) {
  const text =
    SPOKEN.map((name) => body?.[name]).find((one) => typeof one === "string" && one && !/^https?:/.test(one)) ?? body?.choices?.[0]?.message?.content;
  return (
    typeof text === "string" &&
    html`<blockquote class="spoken" dir="auto">${text.slice(0, 20_000)}</blockquote>`
  );
}
