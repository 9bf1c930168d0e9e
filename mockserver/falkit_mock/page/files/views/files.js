/** Uploads and outputs as a gallery, the newest first. */
import { get, now, ready, tick } from "../api.js";
import { age, bytes, duration } from "../format.js";
import { kindOf, local } from "../media.js";
import { Copy, Empty, EndpointId, Failure, Link, Tabs, html, useEffect, useFollow, useMemo, useRef, useState } from "../parts.js";
import { setQuery } from "../router.js";

export const title = "Files";

/** Files in one reading, and milliseconds between two that events ask for. */
const MANY = 60;
const PAUSE = 500;
const KINDS = { Outputs: "", Uploads: "upload" };

export function Files({ params: { query } }) {
  const [state, setState] = useState({ files: null });
  const kind = query.kind === "upload" ? "upload" : "output";
  const life = useMemo(() => new AbortController(), [kind]);
  /** Read the newest, or those after a cursor; what is here already keeps its place. */
  const read = async (cursor) => {
    try {
      const reply = await get("/files", { kind, limit: MANY, cursor }, { signal: life.signal });
      if (life.signal.aborted) return;
      setState((before) => {
        const known = before.kind === kind ? (before.files ?? []) : [];
        if (cursor)
          return {
            ...before,
            kind,
            files: [...known, ...reply.files],
            next: reply.next_cursor,
            total: reply.total,
            error: null,
          };
        const here = new Set(reply.files.map(({ url }) => url));
        // A reset leaves none of those that were here.
        const overlaps = known.some(({ url }) => here.has(url));
        const rest = overlaps ? known.filter(({ url }) => !here.has(url)) : [];
        return {
          kind,
          files: [...reply.files, ...rest].slice(0, Math.max(reply.total, reply.files.length)),
          next: rest.length ? before.next : reply.next_cursor,
          total: reply.total,
          error: null,
        };
      });
    } catch (error) {
      if (error.name !== "AbortError") setState((before) => ({ ...before, error }));
    }
  };
  useEffect(() => {
    ready.then(() => read());
    return () => life.abort();
  }, [life]);
  useFollow(
    ["job_changed", "request_answered", "reset"],
    PAUSE,
    () => read(),
    ({ kind, change, method, host = "" }) =>
      kind === "reset" ||
      change === "ended" ||
      (method !== "GET" && /fal\.media$|^rest\./.test(host)),
  );
  const { files, next, total, error } = state;
  return html`<div class="view gallery">
    <div class="titled bare">
      <h1 tabindex="-1">Files</h1>
      ${files && html`<span class="dim total">${(next ? total : files.length).toLocaleString("en-US")}</span>`}
      <${Tabs} names=${Object.keys(KINDS)} chosen=${kind === "upload" ? "Uploads" : "Outputs"} choose=${(name) => setQuery({ kind: KINDS[name] })} label="Which files" />
    </div>
    <${Failure} error=${error} again=${() => read()} />
    ${
      files?.length === 0 &&
      (kind === "upload"
        ? html`<${Empty} title="Nothing was uploaded yet."><p>
              What programs upload comes here:
              with${" "}<code>fal_client.upload_file("photo.png")</code>${" "}in Python,
              or${" "}<code>fal.storage.upload(file)</code>${" "}in JavaScript.
            </p><//>`
        : html`<${Empty} title="No file yet."><p>Pictures, clips and sounds that jobs answer come here.</p>
            <p><${Link} to="jobs">How to start a job<//></p><//>`)
    }
    ${
      files?.length > 0 &&
      html`<ul class="cards">
        ${files.map((file) => html`<${Tile} key=${file.url} file=${file} />`)}
      </ul>`
    }
    ${next && html`<p><button onClick=${() => read(next)}>Show more</button></p>`}
  </div>`;
}

/** One file with its picture and what is known of it. */
function Tile({ file }) {
  const {
    url,
    file_name: name,
    content_type: type,
    size,
    request_id: id,
    endpoint_id: endpoint,
    facts,
  } = file;
  const measured = [
    facts?.width && `${facts.width} × ${facts.height}`,
    facts?.seconds && duration(facts.seconds),
    facts?.fps && `${Number(facts.fps.toFixed(2))} fps`,
    size !== null && size !== undefined && bytes(size),
  ].filter(Boolean);
  return html`<li class="card">
    <a class="preview" href=${local(url) ?? url} target="_blank" rel="noreferrer" aria-label=${`Open ${name}`}><${Preview} file=${file} /></a>
    <p class="name" title=${name}>${name}</p>
    <p class="dim">${[type?.split(";")[0], ...measured].join(" · ")}</p>
    <p class="dim"><${Times} file=${file} /></p>
    ${endpoint && html`<p><${EndpointId} id=${endpoint} /></p>`}
    <p class="buttons">
      ${id && html`<${Link} class="button small" to="jobs" rest=${id}>Job<//>`}<${Copy} text=${() => new URL(url, location.origin).href} label=${`Copy URL of ${name}`}>Copy URL<//>
    </p>
  </li>`;
}

function Times({ file: { created, expires } }) {
  tick.value;
  const moment = now();
  return html`<span>${age(created, moment)}${" "}
    old${expires ? (expires > moment ? `, gone in ${duration(expires - moment)}` : ", gone") : ""}</span>`;
}

const WORDS = {
  audio: "Sound",
  model: "3D model",
  text: "Text",
  file: "File",
  video: "Clip",
  image: "Picture",
};

/** A small picture of a file, fetched once the tile is about to be seen. */
function Preview({ file: { url, file_name: name, content_type: type } }) {
  const [seen, setSeen] = useState(false);
  const [broken, setBroken] = useState(false);
  const box = useRef(null);
  useEffect(() => {
    const watch = new IntersectionObserver(([one]) => one.isIntersecting && setSeen(true), {
      rootMargin: "200px",
    });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const [here, kind] = [local(url), kindOf(url, type)];
  const shown =
    seen &&
    here &&
    !broken &&
    {
      image: () =>
        html`<img src=${here} alt="" decoding="async" onError=${() => setBroken(true)} />`,
      video: () =>
        html`<video src=${`${here}#t=0.1`} preload="metadata"
          muted
          tabindex="-1"
          aria-hidden="true"
          onError=${() => setBroken(true)}
        ></video>`,
    }[kind]?.();
  return html`<span class="frame" ref=${box}>${shown || html`<span class="kind">${WORDS[kind]}${" "}<b>${/\.(\w+)$/.exec(name ?? "")?.[1]?.toUpperCase() ?? ""}</b></span>`}</span>`;
}
