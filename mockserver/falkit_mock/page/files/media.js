/** Files of inputs and outputs: where they are, how they are shown, and what can be measured of them. */
import { bytes, duration, line } from "./format.js";
import { Copy, Facts, html, useEffect, useRef, useState } from "./parts.js";

const MEDIA = /(?:^https?:\/\/v3b?\.fal\.media|\/v3b?\.fal\.media)(\/files\/.*)$/;

/** Return where the page reads a file of the mock's, or null for one that is elsewhere. */
export function local(url) {
  const found = MEDIA.exec(url);
  if (found) return `/v3b.fal.media${found[1]}`;
  if (url.startsWith("data:")) return url;
  const at = new URL(url, location.origin);
  return at.origin === location.origin ? at.pathname + at.search : null;
}

const KINDS = {
  image: "png jpg jpeg webp gif avif svg",
  video: "mp4 webm mov",
  audio: "mp3 wav ogg flac m4a aac opus",
  model: "glb gltf obj stl ply fbx usdz",
  text: "txt json srt vtt csv md",
};

/** Return `image`, `video`, `audio`, `model`, `text` or `file`. */
export function kindOf(url, type = "") {
  const name = /\.([a-z0-9]+)(?:[?#]|$)/i
    .exec(url.startsWith("data:") ? "" : url)?.[1]
    ?.toLowerCase();
  const said = (type || /^data:([^;,]*)/.exec(url)?.[1] || "").split("/")[0];
  if (said in KINDS) return said;
  const known = Object.keys(KINDS).find((kind) => KINDS[kind].split(" ").includes(name));
  return known ?? (type === "application/json" ? "text" : "file");
}

/** Return the files in an output: `{ path, url, type, name, said }`, in its order, each URL once. */
export function filesIn(value, most = 50) {
  const found = new Map();
  const walk = (one, path) => {
    if (found.size >= most || one === null) return;
    if (typeof one === "string") {
      if (
        /^(https?:\/\/\S+|data:[\w.+-]+\/[\w.+-]+[;,])/.test(one) &&
        (MEDIA.test(one) || one.startsWith("data:")) &&
        !found.has(one)
      )
        found.set(one, { path, url: one, type: "", name: "", said: {} });
    } else if (typeof one === "object") {
      if (typeof one.url === "string" && !found.has(one.url)) {
        found.set(one.url, {
          path,
          url: one.url,
          type: one.content_type ?? "",
          name: one.file_name ?? "",
          said: one,
        });
      }
      for (const [key, inner] of Object.entries(one)) walk(inner, path ? `${path}.${key}` : key);
    }
  };
  walk(value, "");
  return [...found.values()];
}

/** First pictures of clips, small, the one that was wanted last at the end. */
const posters = new Map();
const POSTERS = 300;
/** Clips that are opened at once: each takes a connection, of which a browser has six for a host. */
const OPENED = 2;
let opened = 0;
const waiting = [];

/** Return a clip's first picture; what nobody waits for any more is not read. */
async function poster(url, signal) {
  const kept = posters.get(url);
  if (kept) return kept;
  if (opened >= OPENED) await new Promise((resolve) => waiting.push(resolve));
  opened += 1;
  const clip = document.createElement("video");
  try {
    signal.throwIfAborted();
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      clip.onloadeddata = resolve;
      clip.onerror = reject;
      Object.assign(clip, { muted: true, preload: "auto", src: url });
    });
    const picture = await createImageBitmap(clip, { resizeHeight: 128 });
    posters.set(url, picture);
    if (posters.size > POSTERS) posters.delete(posters.keys().next().value);
    return picture;
  } finally {
    clip.removeAttribute("src");
    clip.load();
    opened -= 1;
    waiting.shift()?.();
  }
}

/** A file's picture, small, once it has been seen for a moment: nothing for what has none. */
export function Thumbnail({ url, type }) {
  const [seen, setSeen] = useState(posters.has(url));
  const canvas = useRef(null);
  const clip = type.startsWith("video/");
  useEffect(() => {
    const stop = new AbortController();
    const draw = (picture) => {
      if (!canvas.current) return;
      const { width, height } = canvas.current;
      const share = Math.max(width / picture.width, height / picture.height);
      const [wide, high] = [picture.width * share, picture.height * share];
      canvas.current
        .getContext("2d")
        .drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
    };
    const wait = setTimeout(
      () => {
        setSeen(true);
        if (clip) poster(url, stop.signal).then(draw, () => {});
      },
      posters.has(url) ? 0 : 400,
    );
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
  }, [url]);
  if (clip) return html`<canvas ref=${canvas} width="128" height="82" aria-hidden="true"></canvas>`;
  return seen && type.startsWith("image/")
    ? html`<img src=${url} alt="" loading="lazy" decoding="async" />`
    : null;
}

/** A file as one sees or hears it, and what was measured of it, which `tell` gets as it is known. */
export function Media({ file, gone, tell }) {
  const { url, type, name, path } = file;
  const here = local(url);
  const kind = kindOf(url, type);
  const [known, setKnown] = useState({});
  const [broken, setBroken] = useState(false);
  const learn = (facts) => setKnown((before) => ({ ...before, ...facts }));
  useEffect(() => {
    if (!here || here.startsWith("data:")) return;
    const stop = new AbortController();
    // A browser keeps what is gone from the mock.
    fetch(here, { method: "HEAD", cache: "no-store", signal: stop.signal }).then(
      (reply) => {
        if (!reply.ok) return setBroken(`The file is not there: ${reply.status}`);
        learn({
          size: Number(reply.headers.get("content-length")) || null,
          type: reply.headers.get("content-type"),
        });
      },
      () => {},
    );
    return () => stop.abort();
  }, [here]);
  useEffect(() => tell?.(known), [known]);
  const failed = () => setBroken("The browser can't show it");
  const shown = {
    image: () =>
      html`<img src=${here} alt=${`${path || "output"}: ${name || "picture"}`} loading="lazy" onLoad=${({ target }) => learn({ width: target.naturalWidth, height: target.naturalHeight })}
        onError=${failed}
      />`,
    video: () =>
      html`<video src=${here}
        controls
        loop
        muted
        preload="metadata"
        aria-label=${`${path || "output"}: ${name || "clip"}`}
        onLoadedMetadata=${({ target }) =>
          learn({
            width: target.videoWidth,
            height: target.videoHeight,
            seconds: target.duration,
          })}
        onError=${failed}
      ></video>`,
    audio: () =>
      html`<audio src=${here}
        controls
        preload="metadata"
        aria-label=${`${path || "output"}: ${name || "sound"}`}
        onLoadedMetadata=${({ target }) => learn({ seconds: target.duration })}
        onError=${failed}
      ></audio>`,
    text: () => html`<${Text} url=${here} />`,
  }[kind];
  const size = known.width ? `${known.width} × ${known.height}` : null;
  return html`<figure class=${`media ${kind}`}>
    ${
      !here
        ? html`<p class="dim">At another host, so this page doesn't fetch it.</p>`
        : broken
          ? html`<p class=${gone ? "dim" : "error"}>${gone ? "The file has expired, too." : broken}</p>`
          : (shown?.() ?? html`<${Plain} kind=${kind} url=${url} />`)
    }
    <figcaption>
      <${Facts} rows=${[
          [
            "File",
            html`<a href=${here ?? url} target="_blank" rel="noreferrer" download=${kind === "model" || kind === "file" ? name || true : undefined}>${line(name || url.split("/").at(-1), 80)}</a
              >${" "}
              <${Copy} text=${url} label="Copy URL of the file">Copy URL<//>`,
          ],
          ["Field", path],
          ["Type", type || known.type],
          ["Size", size],
          ["Length", known.seconds === undefined ? null : duration(known.seconds)],
          ["Bytes", known.size ? bytes(known.size) : null],
        ]}
      />
    </figcaption>
  </figure>`;
}

/** A file that a browser doesn't show, by its ending. */
function Plain({ kind, url }) {
  const ending = /\.(\w+)(?:\?|$)/.exec(url)?.[1] ?? "";
  return html`<p class="filetype">
    ${kind === "model" ? "3D model" : "File"} <b>${ending.toUpperCase()}</b>
  </p>`;
}

function Text({ url }) {
  const [text, setText] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    fetch(url, { headers: { range: "bytes=0-20000" }, signal: stop.signal })
      .then((reply) => reply.text())
      .then(setText, () => {});
    return () => stop.abort();
  }, [url]);
  return html`<pre class="textfile" dir="auto" tabindex="0" aria-label="The file's text">
${text ?? "…"}</pre>`;
}
