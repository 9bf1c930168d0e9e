// @ai-sdk/fal, by the functions of the AI SDK.

import { fal } from "@ai-sdk/fal";
import { experimental_generateVideo as generateVideo, generateImage } from "ai";

import { ENDPOINT, FROM_IMAGE, file, picture, telling } from "./telling.mjs";

const tell = telling("@ai-sdk/fal");
const prompt = "A lighthouse in the rain";
const poll = { intervalMs: 10 };
const described = ({ video }) => file(200, video.mediaType, video.uint8Array);

if (process.argv[2] === "here") {
  await tell("video_from_here", () => generateVideo({ model: fal.video(ENDPOINT), prompt, poll }));
} else {
  await tell("video", async () => {
    const providerOptions = { fal: { duration: 6, fps: 50 } };
    return described(
      await generateVideo({ model: fal.video(ENDPOINT), prompt, poll, providerOptions }),
    );
  });
  await tell("video_of_image", async () => {
    const model = fal.video(FROM_IMAGE);
    const image = await picture();
    return described(await generateVideo({ model, prompt: { text: prompt, image }, poll }));
  });
  await tell("video_of_duration", () =>
    generateVideo({ model: fal.video(ENDPOINT), prompt, duration: 6, poll }),
  );
  await tell("image", () =>
    generateImage({ model: fal.image("fal-ai/imagen4/preview"), prompt, maxRetries: 0 }),
  );
}
