// @fal-ai/server-proxy in an Express server, and @fal-ai/client by way of it.

import { fal } from "@fal-ai/client";
import { DEFAULT_ALLOWED_URL_PATTERNS } from "@fal-ai/server-proxy";
import * as falProxy from "@fal-ai/server-proxy/express";
import express from "express";

import { ENDPOINT, FROM_IMAGE, download, input, picture, telling } from "./telling.mjs";

const app = express();
app.use(express.json());
app.all(falProxy.route, falProxy.handler);
const allowedUrlPatterns = [...DEFAULT_ALLOWED_URL_PATTERNS, "rest.fal.ai/storage/**"];
app.all(`${falProxy.route}/wider`, falProxy.createHandler({ allowedUrlPatterns }));
const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));

// As in a browser, which has no key. A text alone would be used by browsers only.
const proxyUrl = `http://127.0.0.1:${server.address().port}${falProxy.route}`;
fal.config({ credentials: () => undefined, proxyUrl: { url: proxyUrl, when: "always" } });

const tell = telling("@fal-ai/server-proxy");

await tell("run", async () => download((await fal.run(ENDPOINT, { input })).data.video.url));

await tell("subscribe", async () => {
  const statuses = [];
  const logs = [];
  const result = await fal.subscribe(ENDPOINT, {
    input,
    logs: true,
    onQueueUpdate: (update) => {
      statuses.push(update.status);
      if (update.status === "IN_PROGRESS") logs.push(...update.logs);
    },
  });
  return { statuses, logs, clip: await download(result.data.video.url) };
});

await tell("cancel", async () => {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input });
  await fal.queue.cancel(ENDPOINT, { requestId });
  return fal.queue.result(ENDPOINT, { requestId });
});

await tell("upload_in_input", async () => {
  const image = new Blob([await picture()], { type: "image/png" });
  const result = await fal.subscribe(FROM_IMAGE, { input: { ...input, image_url: image } });
  return download(result.data.video.url);
});

const LARGE = new Blob([new Uint8Array(91 * 1024 * 1024), "end."], { type: "video/mp4" });

await tell("upload_parts", () => fal.storage.upload(LARGE));

fal.config({ credentials: () => undefined, proxyUrl: { url: `${proxyUrl}/wider`, when: "always" } });

await tell("upload_parts_allowed", async () => {
  const reply = await fetch(await fal.storage.upload(LARGE), { headers: { Range: "bytes=-4" } });
  return { range: reply.headers.get("content-range"), tail: await reply.text() };
});

server.close();
server.closeAllConnections();
