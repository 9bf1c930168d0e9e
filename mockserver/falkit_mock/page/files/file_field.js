/** A field of a form that takes a file: dropped or chosen, then uploaded or sent as a data URI; or a URL. */
import { PAGE_CALLS } from "./api.js";
import { bytes, line } from "./format.js";
import { kindOf, local } from "./media.js";
import { Tabs, html, signal, useEffect, useRef, useState } from "./parts.js";

const UPLOADED = "uploaded";
const INLINE = "data URIs";
/** How files get into an input: for all fields of a form. */
const way = signal(UPLOADED);

/** How files are sent, chosen once for the form. */
export function FileWay() {
  return html`<div class="fileway"><span class="dim">Files are sent as</span> <${Tabs} names=${[UPLOADED, INLINE]} chosen=${way.value} choose=${(name) => (way.value = name)} label="How files are sent" /></div>`;
}

/** Return a URL for a file as a program would make it: by the official upload, or in the URL itself. */
export async function urlOf(file, key) {
  if (way.value === INLINE) return dataUri(file);
  const type = file.type || "application/octet-stream";
  const reply = await fetch("/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3", {
    method: "POST",
    headers: { ...PAGE_CALLS, authorization: `Key ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ file_name: file.name, content_type: type }),
  });
  if (!reply.ok) throw new Error(`The upload was refused: ${reply.status} ${line(await reply.text())}`);
  const { upload_url: to, file_url: url } = await reply.json();
  const put = await fetch(local(to) ?? to, { method: "PUT", headers: { ...PAGE_CALLS, "content-type": type }, body: file });
  if (!put.ok) throw new Error(`The upload failed: ${put.status} ${line(await put.text())}`);
  return url;
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} can't be read`));
    reader.readAsDataURL(file);
  });
}

/** Return what takes files that are dropped on an element, and whether some are over it. */
export function useDrop(take) {
  const [over, setOver] = useState(false);
  const on = {
    onDragOver: (event) => {
      event.preventDefault();
      event.stopPropagation();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event) => {
      event.preventDefault();
      event.stopPropagation();
      setOver(false);
      const files = [...event.dataTransfer.files];
      if (files.length) take(files);
    },
  };
  return [over, on];
}

/** A button that chooses files. */
export function Pick({ take, accept, many, label, children }) {
  const input = useRef(null);
  return html`<button onClick=${() => input.current.click()} aria-label=${label}>${children}</button>
    <input ref=${input} type="file" hidden accept=${accept} multiple=${many} onChange=${(event) => {
      take([...event.target.files]);
      event.target.value = "";
    }} />`;
}

const ACCEPTED = { image: "image/*", video: "video/*", audio: "audio/*" };

/** Take files one after the other; returns `[take, what is said of it]`. */
export function useTaking(put, key) {
  const [said, say] = useState(null);
  const take = async (files) => {
    try {
      for (const file of files) {
        say({ text: `${way.value === INLINE ? "Reading" : "Uploading"} ${file.name}…` });
        put(await urlOf(file, key), file);
      }
      say(null);
    } catch (error) {
      say({ text: error.message, bad: true });
    }
  };
  return [take, said && html`<p class=${said.bad ? "error" : "dim"} role="status">${said.text}</p>`];
}

export function FileField({ id, name, named, value, put, kind, placeholder, context, described }) {
  const [take, said] = useTaking(put, context.key);
  const [over, on] = useDrop((files) => take(files.slice(0, 1)));
  const inline = typeof value === "string" && value.startsWith("data:");
  return html`<div class="file ${over ? "over" : ""}" ...${on}>
    <div class="line">
      <input id=${id} value=${inline ? "" : (value ?? "")} placeholder=${inline ? `data URI of ${bytes(value.length)}` : placeholder} spellcheck=${false} autocomplete="off" ...${named} aria-describedby=${described} onInput=${({ target }) => put(target.value || undefined)} />
      <${Pick} take=${take} accept=${ACCEPTED[kind]} label=${`Choose a file for ${name}`}>Choose…<//>
    </div>
    ${said}
    ${value ? html`<${Preview} url=${value} kind=${kind} name=${name} />` : html`<p class="dim">${`A URL, or drop ${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}${kind === "file" ? "" : " file"} here.`}</p>`}
  </div>`;
}

/** Return a URL that players take: the page's policy lets them play what is here, and blobs. */
function usePlayable(url, kind) {
  const [made, setMade] = useState(null);
  const inline = url.startsWith("data:") && kind !== "image";
  useEffect(() => {
    if (!inline) return;
    const [head, body = ""] = url.split(/,(.*)/s);
    let blob;
    try {
      const text = head.endsWith(";base64") ? atob(body) : decodeURIComponent(body);
      blob = URL.createObjectURL(new Blob([Uint8Array.from(text, (one) => one.codePointAt(0))], { type: head.slice(5).split(";")[0] }));
    } catch {
      return;
    }
    setMade(blob);
    return () => URL.revokeObjectURL(blob);
  }, [url]);
  if (inline) return made;
  return /^(data:|https?:\/\/.)/.test(url) && URL.canParse(url) ? local(url) : null;
}

function Preview({ url, kind, name }) {
  const [broken, setBroken] = useState(null);
  let shown = kindOf(url);
  if (shown === "file") shown = kind;
  const here = usePlayable(url, shown);
  if (!here) return html`<p class="dim">${/^https?:/.test(url) ? "At another host, so it isn't shown here." : ""}</p>`;
  if (broken === url) return html`<p class="dim">The browser can't show it.</p>`;
  const failed = () => setBroken(url);
  const alt = `What ${name} leads to`;
  if (shown === "video") return html`<video class="preview" src=${here} controls muted preload="metadata" aria-label=${alt} onError=${failed}></video>`;
  if (shown === "audio") return html`<audio class="preview" src=${here} controls preload="metadata" aria-label=${alt} onError=${failed}></audio>`;
  if (shown === "image") return html`<img class="preview" src=${here} alt=${alt} onError=${failed} />`;
  return html`<p class="dim">${line(url.split("/").at(-1), 80)}</p>`;
}

/** A list's own place to drop several files on. */
export function FilesDrop({ name, kind, add, context }) {
  const [take, said] = useTaking(add, context.key);
  const [over, on] = useDrop(take);
  return html`<div class="file drop ${over ? "over" : ""}" ...${on}><${Pick} take=${take} accept=${ACCEPTED[kind]} many label=${`Choose files for ${name}`}>Choose files…<//> <span class="dim">or drop them here</span>${said}</div>`;
}
