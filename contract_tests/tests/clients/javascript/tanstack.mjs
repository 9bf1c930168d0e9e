// @tanstack/ai-fal, by the functions of TanStack AI.

import { generateImage, generateVideo, getVideoJobStatus } from "@tanstack/ai";
import { falImage, falVideo } from "@tanstack/ai-fal";

import { ENDPOINT, download, telling } from "./telling.mjs";

const tell = telling("@tanstack/ai-fal");
const prompt = "A lighthouse in the rain";
const debug = false;

async function followed(options) {
  const adapter = falVideo(ENDPOINT);
  const { jobId } = await generateVideo({ adapter, prompt, debug, ...options });
  const statuses = [];
  let job;
  do {
    job = await getVideoJobStatus({ adapter, jobId });
    statuses.push(job.status);
  } while (job.status !== "completed" && job.status !== "failed");
  return { ...job, statuses };
}

await tell("video", async () => {
  const { statuses, url } = await followed({ duration: 6 });
  return { statuses, clip: await download(url) };
});

await tell("video_stream", async () => {
  const adapter = falVideo(ENDPOINT);
  const stream = generateVideo({ adapter, prompt, stream: true, pollingInterval: 10, debug });
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
});

await tell("video_refused", () => followed({ duration: 7 }));

await tell("image", () =>
  generateImage({ adapter: falImage("fal-ai/imagen4/preview"), prompt, debug }),
);
