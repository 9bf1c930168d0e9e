// @fal-ai/serverless-client, the official client's older name, by itself and by way of an Express
// server with @fal-ai/serverless-proxy.

import * as fal from "@fal-ai/serverless-client";
import * as falProxy from "@fal-ai/serverless-proxy/express";
import express from "express";

import { ENDPOINT, FROM_IMAGE, download, input, picture, telling } from "./telling.mjs";

const tell = telling("@fal-ai/serverless-client");
const tellOfProxy = telling("@fal-ai/serverless-proxy");

async function subscribe(options = {}) {
  const statuses = [];
  const logs = [];
  const result = await fal.subscribe(ENDPOINT, {
    input,
    logs: true,
    onQueueUpdate: (update) => {
      statuses.push(update.status);
      if (update.status === "IN_PROGRESS") logs.push(...update.logs);
    },
    ...options,
  });
  return { statuses, logs, clip: await download(result.video.url) };
}

const submitted = async () => {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input });
  return { requestId };
};

const operations = {
  run: async () => download((await fal.run(ENDPOINT, { input })).video.url),

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
    // Its iteration loses what comes shortly before the end.
    stream.on("data", (event) => {
      statuses.push(event.status);
      logs.push(...(event.logs ?? []));
    });
    await stream.done();
    return { statuses, logs };
  },

  result: async () => {
    const request = await submitted();
    await fal.queue.subscribeToStatus(ENDPOINT, request);
    return download((await fal.queue.result(ENDPOINT, request)).video.url);
  },

  subscribe,

  subscribe_streaming: () => subscribe({ mode: "streaming" }),

  cancel: async () => {
    const request = await submitted();
    await fal.queue.cancel(ENDPOINT, request);
    return fal.queue.result(ENDPOINT, request);
  },

  upload: async () => {
    const url = await fal.storage.upload(new Blob(["hello"], { type: "text/plain" }));
    return download(url);
  },

  upload_in_input: async () => {
    const image = new Blob([await picture()], { type: "image/png" });
    const result = await fal.subscribe(FROM_IMAGE, { input: { ...input, image_url: image } });
    return download(result.video.url);
  },

  stream: async () => (await fal.stream(ENDPOINT, { input })).done(),
};

// It writes to stdout which configuration it takes, unless it is given one.
fal.config({});
for (const [operation, work] of Object.entries(operations)) await tell(operation, () => work());

const app = express();
app.use(express.json());
app.all(falProxy.route, falProxy.handler);
const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));

// What its own `proxyUrl` does in a browser, which has no key, and nowhere else.
fal.config({
  credentials: () => undefined,
  requestMiddleware: async (request) => ({
    ...request,
    url: `http://127.0.0.1:${server.address().port}${falProxy.route}`,
    headers: { ...request.headers, "x-fal-target-url": request.url },
  }),
});
for (const operation of ["run", "subscribe", "upload_in_input", "cancel"]) {
  await tellOfProxy(operation, () => operations[operation]());
}

server.close();
server.closeAllConnections();
