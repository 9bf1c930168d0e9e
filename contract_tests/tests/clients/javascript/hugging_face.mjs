// @huggingface/inference with the provider fal-ai: with a key of fal's, and with a token.

import { InferenceClient } from "@huggingface/inference";

import { ENDPOINT, FROM_IMAGE, file, input, picture, telling } from "./telling.mjs";

const tell = telling("@huggingface/inference");
const provider = "fal-ai";
const inputs = input.prompt;
const MODEL = "Lightricks/LTX-2";
const MODEL_FROM_IMAGE = "Lightricks/LTX-2-from-image";
const IMAGES = "black-forest-labs/FLUX.1-schnell";

// Which model at fal is meant, which huggingface.co would be asked otherwise.
const known = {
  [MODEL]: { providerId: ENDPOINT, task: "text-to-video" },
  [MODEL_FROM_IMAGE]: { providerId: FROM_IMAGE, task: "image-to-video" },
  [IMAGES]: { providerId: "fal-ai/imagen4/preview", task: "text-to-image" },
};
const options = {
  fetch: (url, init) => {
    const model = /^https:\/\/huggingface\.co\/api\/models\/([^?]+)/.exec(url)?.[1];
    if (!model) return fetch(url, init);
    const mapping = { ...known[model], status: "live" };
    return Response.json({ inferenceProviderMapping: { [provider]: mapping } });
  },
};

const clip = async (blob) => file(200, blob.type, new Uint8Array(await blob.arrayBuffer()));
const video = async (client) => clip(await client.textToVideo({ provider, model: MODEL, inputs }));
const fromImage = async (client) => {
  const image = new Blob([await picture()], { type: "image/png" });
  const parameters = { prompt: inputs };
  const args = { provider, model: MODEL_FROM_IMAGE, inputs: image, parameters };
  return clip(await client.imageToVideo(args));
};

// Its own timer between two statuses doesn't keep Node from ending.
const busy = setInterval(() => {}, 1000);

if (process.argv[2] === "looked_up") {
  await tell("looked_up", () => video(new InferenceClient(process.env.FAL_KEY)));
} else {
  const byKey = new InferenceClient(process.env.FAL_KEY, options);
  const byToken = new InferenceClient("hf_falkit", options);
  await tell("video", () => video(byKey));
  await tell("video_of_image", () => fromImage(byKey));
  await tell("video_routed", () => video(byToken));
  await tell("video_of_image_routed", () => fromImage(byToken));
  await tell("image", () => byToken.textToImage({ provider, model: IMAGES, inputs }));
}
clearInterval(busy);
