// A program as fal's documentation shows it: wait for a clip, with logs.

import { fal } from "@fal-ai/client";

const result = await fal.subscribe("fal-ai/ltx-2/text-to-video", {
  input: { prompt: "The camera glides over the water" },
  logs: true,
  onQueueUpdate: (update) => {
    console.log(update.status);
    if (update.status === "IN_PROGRESS") {
      update.logs.map((log) => log.message).forEach((message) => console.log("log:", message));
    }
  },
});
console.log("url:", result.data.video.url);
