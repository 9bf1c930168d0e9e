// Models of every kind by @fal-ai/client: run, queue and subscribe.
//   node kinds.mjs FILE WAY...
// The file has inputs by kind; `{sound}` and `{picture}` in them are Blobs, which the client uploads.

import { readFileSync } from "node:fs";
import { fal } from "@fal-ai/client";

import { errorOf, kept, picture, sound, telling, urlsIn } from "./telling.mjs";

const tell = telling("@fal-ai/client");

const blobs = {
  "{sound}": new Blob([sound()], { type: "audio/x-wav" }),
  "{picture}": new Blob([await picture()], { type: "image/png" }),
};

const ways = {
  run: (id, input) => fal.run(id, { input }),
  queue: async (id, input) => {
    const { request_id: requestId } = await fal.queue.submit(id, { input });
    await fal.queue.subscribeToStatus(id, { requestId, pollInterval: 20 });
    return fal.queue.result(id, { requestId });
  },
  subscribe: (id, input) => fal.subscribe(id, { input, logs: true, pollInterval: 20 }),
};

async function toldOf(way, id, input) {
  try {
    const { data: output } = await ways[way](id, input);
    const files = [];
    for (const url of urlsIn(output)) files.push(await kept(url));
    return { output, files };
  } catch (error) {
    return { error: errorOf(error) };
  }
}

const [path, ...asked] = process.argv.slice(2);
const kinds = JSON.parse(readFileSync(path, "utf-8"), (_, value) => blobs[value] ?? value);
for (const way of asked) {
  await tell(`${way}_kinds`, async () => {
    const came = {};
    for (const [kind, [id, input]] of Object.entries(kinds)) {
      came[kind] = await toldOf(way, id, input);
    }
    return came;
  });
}
