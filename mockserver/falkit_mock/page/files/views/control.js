/** What steers the mock: clock, faults, seed, keys, reset, export and import. */
import {
  call,
  clock,
  get,
  health,
  now,
  post,
  put,
  remove,
  setClock,
  tick,
  tenant,
} from "../api.js";
import { SCHEDULES, bytes, count, dateTime, duration, iso, plural, zone } from "../format.js";
import { Asked, Failure, Icon, StatusMark, Table, attempt, html, say, useEffect, useId, useRead, useRef, useState } from "../parts.js";
import { Rules } from "./control_rules.js";

export const title = "Control";

export function Control() {
  return html`<div class="view control">
    <h1 tabindex="-1">Control</h1>
    <section aria-labelledby="clock">
      <h2 id="clock">Clock</h2>
      <${Clock} />
    </section>
    <section aria-labelledby="rules">
      <h2 id="rules">Faults</h2>
      <${Rules} />
    </section>
    <section aria-labelledby="state">
      <h2 id="state">State</h2>
      <${State} />
    </section>
    ${
      health.value?.settings?.tenants &&
      html`<section aria-labelledby="keys">
        <h2 id="keys">Keys with a mock of their own</h2>
        <${Keys} />
      </section>`
    }
    <section aria-labelledby="about">
      <h2 id="about">About this mock</h2>
      <${About} />
    </section>
  </div>`;
}

const JUMPS = [["+10 s", 10], ["+1 min", 60], ["+10 min", 600], ["+1 h", 3600], ["+1 day", 86_400], ["+7 days", 604_800]];

/** The mock's clock, and ways to move it. */
function Clock() {
  tick.value;
  const [busy, setBusy] = useState(false);
  const id = useId();
  const { running } = clock.value;
  const act = async (done, path, body) => {
    setBusy(true);
    await attempt(done, async () => {
      const state = await post(path, body);
      setClock(state);
      return state;
    });
    setBusy(false);
  };
  const moved =
    (how) =>
    ({ events }) =>
      `The clock moved ${how}; ${events ? `${plural(events, "thing")} that ${events === 1 ? "was" : "were"} due ${events === 1 ? "is" : "are"} done` : "nothing was due"}`;
  const set = (event) => {
    event.preventDefault();
    const moment = new Date(new FormData(event.target).get("moment")).getTime() / 1000;
    act(moved(`to ${dateTime(moment)}`), "/clock/set", { now: moment });
  };
  const moment = now();
  return html` <p class="moment">
      <time title=${iso(moment)}>${dateTime(moment)}</time>${" "}<${StatusMark} state=${running ? "running" : "held"}>${running ? "runs" : "paused"}<//>
    </p>
    <p class="buttons">
      ${running ? html`<button disabled=${busy} onClick=${() => act("The clock is paused", "/clock/pause")}>Pause</button>` : html`<button class="primary" disabled=${busy} onClick=${() => act("The clock runs", "/clock/run")}>Run</button>`}
      ${JUMPS.map(([name, seconds]) => html`<button key=${name} disabled=${busy} onClick=${() => act(moved(`by ${duration(seconds)}`), "/clock/advance", { seconds })}>${name}</button>`)}
    </p>
    <form class="inline" onSubmit=${set}>
      <label for=${id}>To a moment</label><input id=${id} name="moment" type="datetime-local" step="1" min=${local(moment)}
        required
        defaultValue=${local(moment + 3600)}
      /><button disabled=${busy}>Jump</button>
    </form>
    <p class="dim">
      A jump does all that is due on its way: jobs end, webhooks and their retries are sent, results
      expire. Time never goes back. The zone is this browser's: ${zone()}.
    </p>`;
}

/** Return a moment as a field for dates wants it, in this machine's time zone. */
const local = (moment) => dateTime(moment).replace(" ", "T");

/** The seed, and the whole state: forgotten, kept in a file, or taken from one. */
function State() {
  const [dialog, setDialog] = useState(null);
  const [busy, setBusy] = useState(false);
  const seed = useRead((signal) => get("/seed", {}, { signal }), []);
  const id = useId();
  const close = () => setDialog(null);
  const field = useRef(null);
  const show = (state) => {
    if (state) field.current.value = state.seed;
    return state;
  };
  useEffect(() => void show(seed.value), [seed.value]);
  const putSeed = (value) =>
    attempt(
      ({ seed: now }) => `The seed is ${now} from now on`,
      async () => show(await put("/seed", value === null ? {} : { seed: value })),
    );
  const submitSeed = (event) => {
    event.preventDefault();
    const text = new FormData(event.target).get("seed").trim();
    if (!Number.isSafeInteger(Number(text)) || text === "")
      return say(`seed: “${text}” is not a whole number`, true);
    putSeed(Number(text));
  };
  const reset = async (form) => {
    await post("/reset", { keep_rules: form.has("keep") });
    seed.again();
    return `The mock is empty again${form.has("keep") ? "; rules stay" : ""}`;
  };
  const take = async (form) => {
    const file = form.get("file");
    const { jobs } = await call("PUT", "/state", { body: file });
    seed.again();
    return `The state of ${file.name} is here: ${plural(jobs, "job")}`;
  };
  const give = async () => {
    setBusy(true);
    await attempt(
      (size) => `Saved as falkit-state.tar, ${bytes(size)}; it has secrets and uploads in it`,
      () => save("/state", "falkit-state.tar"),
    );
    setBusy(false);
  };
  const write = () =>
    attempt(
      (size) => `Saved as falkit-session.html, ${bytes(size)}; inputs and outputs are in it`,
      () => save("/session", "falkit-session.html"),
    );
  return html` <form class="inline" onSubmit=${submitSeed}>
      <label for=${`${id}s`}>Seed</label><input id=${`${id}s`} name="seed" ref=${field} inputmode="numeric" autocomplete="off"
      /><button>Set</button><button type="button" onClick=${() => putSeed(null)}>Random</button>
      <span class="dim">Ids, logs and file names follow from it; jobs that are here keep theirs.</span>
    </form>
    <p class="buttons">
      <button class="danger" onClick=${() => setDialog("reset")}>Reset…</button><button disabled=${busy} onClick=${give}>${busy ? "Exporting…" : "Export"}</button
      ><button onClick=${() => setDialog("import")}>Import…</button><button onClick=${write} title="The report, jobs, requests and webhooks, to read without the mock">Save as one page</button>
    </p>
    ${
      dialog === "reset" &&
      html`<${Asked} danger title="Reset the mock" label="Reset" act=${reset} close=${close}>
        <p>
          All jobs, files, uploads, deliveries and the request log are forgotten,${" "}
          ${tenant.value ? html`of the key${" "}<b>${tenant.value}</b>${" "}alone, ` : ""}and the
          same requests get the same ids again. The clock goes on; findings and what was spent stay.
        </p>
        <label><input type="checkbox" name="keep" checked />${" "}Keep the rules that were set since the
          start</label><//>`
    }
    ${
      dialog === "import" &&
      html`<${Asked}
        danger
        title="Import a state"
        label="Replace the state"
        act=${take}
        close=${close}
      >
        <p>
          All that the mock has is replaced by what is in the file. A file that can't be used
          changes nothing.
        </p>
        <label for=${`${id}f`}>File of an export</label><input id=${`${id}f`} name="file" type="file" accept=".tar,application/x-tar" required /><//>`
    }`;
}

/** Have the browser save what an operation answers; returns how many bytes it has. */
async function save(path, name) {
  const reply = await call("GET", path, { raw: true });
  const blob = await reply.blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return blob.size;
}

/** The keys of a mock with tenants. */
function Keys() {
  const [forgetting, forget] = useState(null);
  const { value, error, again } = useRead((signal) => get("/tenants", { key: "" }, { signal }), []);
  const act = async () => {
    await remove(`/tenants/${encodeURIComponent(forgetting)}`, { key: "" });
    again();
    return `The mock of ${forgetting} is forgotten`;
  };
  return html` <${Failure} error=${error} again=${again} />
  ${
    value &&
    html`<p class="dim">${count(value.tenants.length)} of at most ${count(value.max_tenants)}</p>
      <${Table}
        stacks
        label="Keys"
        rows=${value.tenants}
        keyOf=${({ key }) => key}
        columns=${[
          {
            name: "Key",
            of: ({ key }) =>
              html`${key}${key === tenant.value && html`${" "}<span class="dim">shown here</span>`}`,
          },
          { name: "Jobs", class: "number", of: ({ jobs }) => count(jobs) },
          { name: "Uploads", class: "number", of: ({ uploads }) => count(uploads) },
          { name: "Bytes", class: "number", of: (one) => bytes(one.bytes) },
          { name: "Seed", class: "number", of: ({ seed }) => seed },
          { name: "Time", class: "nowrap", of: ({ now: moment }) => dateTime(moment) },
          {
            name: "",
            class: "number",
            of: ({ key }) =>
              html`<button class="small" aria-label=${`Forget ${key}`} onClick=${() => forget(key)}>
                Forget…
              </button>`,
          },
        ]}
      />`
  }
  ${forgetting && html`<${Asked} danger title=${`Forget ${forgetting}`} label="Forget it" act=${act} close=${() => forget(null)}><p>Its jobs, files, rules, findings and what it has spent are lost. Its next request gets a new mock.</p><//>`}`;
}

/** How the mock was started. */
function About() {
  const { version, settings = {} } = health.value ?? {};
  const timing = settings.timing;
  const rows = [
    ["Version", version],
    [
      "Timing",
      timing &&
        (timing.progression === "clock"
          ? `queue ${duration(timing.queue)}, run ${duration(timing.run)}`
          : timing.progression),
    ],
    ["Runners of an endpoint", settings.runners],
    ["At once for a key", settings.concurrency || "any number"],
    ["Keys", settings.api_keys ? `only ${plural(settings.api_keys, "key")}` : "any key is taken"],
    ["Webhooks tried again", SCHEDULES[settings.webhook_schedule] ?? settings.webhook_schedule],
    ["Webhooks go to", (settings.webhook_allow ?? []).join(", ") || "this machine only"],
    ["State", settings.state ?? "in memory"],
  ];
  return html`<dl class="facts">
      ${rows
        .filter(([, value]) => value !== undefined)
        .map(
          ([name, value]) =>
            html`<div key=${name}>
              <dt>${name}</dt>
              <dd>${String(value)}</dd>
            </div>`,
        )}
    </dl>
    <p class="dim">
      <${Icon} name="note" />${" "}All of this page is the control API's, which programs can use
      too:${" "}<a href="/__falkit/" target="_blank">its operations</a>,${" "}<a href="/__falkit/openapi.json" target="_blank">its document</a>.
    </p>`;
}
