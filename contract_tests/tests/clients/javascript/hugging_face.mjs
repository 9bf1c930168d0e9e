// @huggingface/inference with the provider fal-ai: with a key of fal's, and with a token.

import { InferenceClient } from "@huggingface/inference";

import { content, ENDPOINT, FROM_IMAGE, file, input, picture, sound, telling } from "./telling.mjs";

const tell = telling("@huggingface/inference");
const provider = "fal-ai";
const inputs = input.prompt;
const MODEL = "Lightricks/LTX-2";
const MODEL_FROM_IMAGE = "Lightricks/LTX-2-from-image";

// Which model at fal is meant, which huggingface.co would be asked otherwise.
const known = {
  [MODEL]: { providerId: ENDPOINT, task: "text-to-video" },
  [MODEL_FROM_IMAGE]: { providerId: FROM_IMAGE, task: "image-to-video" },
  "black-forest-labs/FLUX.1-schnell": { providerId: "fal-ai/flux/schnell", task: "text-to-image" },
  "black-forest-labs/FLUX.2-dev": { providerId: "fal-ai/flux-2/edit", task: "image-to-image" },
  "briaai/RMBG-2.0": { providerId: "fal-ai/bria/background/remove", task: "image-segmentation" },
  "hexgrad/Kokoro-82M": { providerId: "fal-ai/kokoro/american-english", task: "text-to-speech" },
  "openai/whisper-large-v3": { providerId: "fal-ai/whisper", task: "automatic-speech-recognition" },
  "stabilityai/stable-audio": {
    providerId: "fal-ai/stable-audio-25/text-to-audio",
    task: "text-to-audio",
  },
  "tencent/HunyuanVideo": { providerId: "fal-ai/hunyuan-video", task: "text-to-video" },
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

const files = async (...blobs) => {
  const made = blobs.map(async (one) => content("made", one.type, await one.arrayBuffer()));
  return { files: await Promise.all(made) };
};
const blob = new Blob([await picture()], { type: "image/png" });

const media = {
  image: async (client) => {
    const parameters = { image_size: { width: 512, height: 320 }, seed: 4 };
    const model = "black-forest-labs/FLUX.1-schnell";
    return files(await client.textToImage({ provider, model, inputs, parameters }));
  },
  image_edited: async (client) => {
    const model = "black-forest-labs/FLUX.2-dev";
    const parameters = { prompt: inputs };
    return files(await client.imageToImage({ provider, model, inputs: blob, parameters }));
  },
  segments: async (client) => {
    const model = "briaai/RMBG-2.0";
    const [{ mask }] = await client.imageSegmentation({ provider, model, inputs: blob });
    return { files: [{ name: "mask", type: "image/png", data: mask }] };
  },
  speech: async (client) =>
    files(await client.textToSpeech({ provider, model: "hexgrad/Kokoro-82M", inputs })),
  audio: async (client) => {
    const model = "stabilityai/stable-audio";
    const parameters = { seconds_total: 7 };
    return files(await client.textToAudio({ provider, model, inputs, parameters }));
  },
  transcript: async (client) => {
    const model = "openai/whisper-large-v3";
    const audio = new Blob([sound()], { type: "audio/wav" });
    const { text, chunks } = await client.automaticSpeechRecognition({
      provider,
      model,
      inputs: audio,
    });
    const parts = chunks.map(({ text, timestamp: [start, end] }) => ({ text, start, end }));
    return { text, parts };
  },
  video_of_frames: async (client) =>
    files(await client.textToVideo({ provider, model: "tencent/HunyuanVideo", inputs })),
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
  for (const [operation, work] of Object.entries(media)) await tell(operation, () => work(byKey));
}
clearInterval(busy);
