// @fal-ai/client, as its documentation calls it.

import { fal } from "@fal-ai/client";

import { CHAT, ENDPOINT, FROM_IMAGE, PAINT, SOCKET, STREAM, WORKFLOW } from "./telling.mjs";
import { content, download, input, picture, telling } from "./telling.mjs";

const tell = telling("@fal-ai/client");
// Above 90 MiB it uploads in parts.
const LARGE = new Blob([new Uint8Array(91 * 1024 * 1024), "end."], { type: "video/mp4" });

async function subscribe(options = {}) {
  const statuses = [];
  const logs = [];
  const result = await fal.subscribe(ENDPOINT, {
    input,
    logs: true,
    onQueueUpdate: (update) => {
      statuses.push(update.status);
      if (update.status === "IN_PROGRESS") {
        update.logs.map((log) => log.message).forEach((message) => logs.push(message));
      }
    },
    ...options,
  });
  return { statuses, logs, clip: await download(result.data.video.url) };
}

const submitted = async () => {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input });
  return { requestId };
};

const operations = {
  run: async () => download((await fal.run(ENDPOINT, { input })).data.video.url),

  start_timeout: async () => {
    const result = await fal.subscribe(ENDPOINT, { input, startTimeout: 30 });
    return download(result.data.video.url);
  },

  submit: () => fal.queue.submit(ENDPOINT, { input }),

  status: async () => {
    const request = await submitted();
    const statuses = [];
    let last;
    for (let look = 0; look < 3; look++) {
      last = await fal.queue.status(ENDPOINT, { ...request, logs: true });
      statuses.push(last.status);
    }
    return { statuses, logs: last.logs };
  },

  stream_status: async () => {
    const stream = await fal.queue.streamStatus(ENDPOINT, { ...(await submitted()), logs: true });
    const statuses = [];
    const logs = [];
    for await (const event of stream) {
      statuses.push(event.status);
      logs.push(...(event.logs ?? []));
    }
    return { statuses, logs };
  },

  result: async () => {
    const request = await submitted();
    await fal.queue.subscribeToStatus(ENDPOINT, request);
    return download((await fal.queue.result(ENDPOINT, request)).data.video.url);
  },

  subscribe: () => subscribe(),

  subscribe_streaming: () => subscribe({ mode: "streaming" }),

  cancel: async () => {
    const request = await submitted();
    await fal.queue.cancel(ENDPOINT, request);
    return fal.queue.result(ENDPOINT, request);
  },

  stream: async () => (await fal.stream(ENDPOINT, { input })).done(),

  upload: async () => {
    const url = await fal.storage.upload(new Blob(["hello"], { type: "text/plain" }));
    return download(url);
  },

  upload_file: async () => {
    const image = new File([await picture()], "picture.png", { type: "image/png" });
    const url = await fal.storage.upload(image);
    const result = await fal.run(FROM_IMAGE, { input: { ...input, image_url: url } });
    return { file: await download(url), clip: await download(result.data.video.url) };
  },

  upload_in_input: async () => {
    const image = new Blob([await picture()], { type: "image/png" });
    const result = await fal.subscribe(FROM_IMAGE, { input: { ...input, image_url: image } });
    return download(result.data.video.url);
  },

  upload_parts: async () => {
    const reply = await fetch(await fal.storage.upload(LARGE), { headers: { Range: "bytes=-4" } });
    return { range: reply.headers.get("content-range"), tail: await reply.text() };
  },
};

async function events(endpoint, more = {}) {
  const stream = await fal.stream(endpoint, { input: { ...input, ...more } });
  const seen = [];
  for await (const event of stream) seen.push(event);
  // The last of them is what it is done with.
  return [...seen.slice(0, -1), await stream.done()];
}

// Sends an input for each answer; then one that is wrong, and waits for the error.
const realtime = () =>
  new Promise((resolve) => {
    const files = [];
    const connection = fal.realtime.connect(SOCKET, {
      throttleInterval: 0,
      onResult: (result) => {
        files.push(content("image", "image/jpeg", result.image.content));
        connection.send(files.length < 3 ? { ...input, seed: files.length } : {});
      },
      onError: (error) => {
        connection.close();
        resolve({ files, error: error.message });
      },
    });
    connection.send({ ...input, seed: 0 });
  });

const streams = {
  stream_text: () => events(CHAT, { model: "some/model" }),
  stream_pictures: () => events(PAINT),
  stream_of_id: () => events(STREAM),
  workflow: () => events(WORKFLOW),
  realtime,
};

if (process.argv[2] === "streams") {
  for (const [operation, work] of Object.entries(streams)) await tell(operation, work);
} else if (process.argv[2] === "late") {
  await tell("client_timeout", async () => {
    let requestId;
    const onEnqueue = (id) => (requestId = id);
    try {
      return await fal.subscribe(ENDPOINT, { input, timeout: 1010, onEnqueue });
    } catch ({ message }) {
      // The client does not wait for the cancellation that it asks for.
      const { error_type } = await fal.queue.subscribeToStatus(ENDPOINT, { requestId });
      return { message, error_type };
    }
  });
} else {
  for (const [operation, work] of Object.entries(operations)) await tell(operation, work);
}
