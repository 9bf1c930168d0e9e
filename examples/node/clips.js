// The clips that are kept: fal makes them, and a folder has each, beside a record of how it went.

import { ApiError, fal } from "@fal-ai/client";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";

const ENDPOINT = "fal-ai/ltx-2/text-to-video";
const ID = /^[\w-]+$/;
// Milliseconds after which a webhook is taken for lost.
const OVERDUE = 120_000;

export class Clips {
  #folder;
  #webhookUrl;
  #finishing = new Map();

  constructor({ folder, webhookUrl }) {
    this.#folder = path.resolve(folder);
    this.#webhookUrl = webhookUrl;
    mkdirSync(folder, { recursive: true });
  }

  /** Have fal make a clip; return its record, which is pending. */
  async make(prompt) {
    const { request_id: id } = await fal.queue.submit(ENDPOINT, {
      input: { prompt },
      webhookUrl: this.#webhookUrl,
    });
    // The webhook may have come before this reply.
    return this.#note(id, { state: "pending", ...this.get(id), prompt, submitted: Date.now() });
  }

  /** Return the record of a clip: id, prompt, and state, which is pending, done or failed. */
  get(id) {
    const file = this.#path(id, "json");
    return ID.test(id) && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  }

  /** Return where a clip is that is done. */
  file(id) {
    return this.get(id)?.state === "done" ? this.#path(id, "mp4") : undefined;
  }

  /** Take note of how a job ended, in the words of a webhook; the second time does nothing. */
  async finish({ request_id: id, ...ending }) {
    // Two may come at the same time.
    if (!this.#finishing.has(id)) {
      const work = this.#finish(id, ending).finally(() => this.#finishing.delete(id));
      this.#finishing.set(id, work);
    }
    return this.#finishing.get(id);
  }

  /** Ask for the clips whose webhook is overdue. */
  async reconcile(overdue = OVERDUE) {
    for (const file of readdirSync(this.#folder).filter((name) => name.endsWith(".json"))) {
      const { id, state, submitted } = this.get(path.parse(file).name);
      if (state !== "pending" || Date.now() - submitted < overdue) continue;
      const { status } = await fal.queue.status(ENDPOINT, { requestId: id });
      if (status === "COMPLETED") await this.finish({ request_id: id, ...(await endingOf(id)) });
    }
  }

  async #finish(id, ending) {
    if (this.file(id)) return;
    // What is too large for a webhook, or isn't JSON, comes without its payload.
    const { status, payload, error } =
      ending.status === "OK" && !ending.payload ? await endingOf(id) : ending;
    const url = status === "OK" && payload?.video?.url;
    if (url) {
      await download(url, this.#path(id, "mp4"));
      this.#note(id, { ...this.get(id), state: "done" });
    } else {
      const why = payload?.detail?.[0]?.msg ?? payload?.detail ?? error ?? "fal made no video";
      this.#note(id, { ...this.get(id), state: "failed", error: why });
    }
  }

  #note(id, record) {
    const file = this.#path(id, "json");
    const noted = { ...record, id };
    writeFileSync(`${file}.new`, JSON.stringify(noted));
    renameSync(`${file}.new`, file);
    return noted;
  }

  #path(id, kind) {
    return path.join(this.#folder, `${id}.${kind}`);
  }
}

// A job's ending, in the words of its webhook.
async function endingOf(requestId) {
  try {
    const { data } = await fal.queue.result(ENDPOINT, { requestId });
    return { status: "OK", payload: data };
  } catch (error) {
    // With an id it is the job's own error, unless it is about this request.
    const own = error instanceof ApiError && error.requestId;
    if (!own || [401, 403, 429].includes(error.status)) throw error;
    return { status: "ERROR", payload: error.body, error: error.message };
  }
}

async function download(url, file) {
  const reply = await fetch(url);
  const type = reply.headers.get("content-type");
  if (!reply.ok || !type?.startsWith("video/")) {
    throw new Error(`${url} answered ${reply.status}, ${type}`);
  }
  await writeFile(`${file}.new`, reply.body);
  await rename(`${file}.new`, file);
}
