// @ai-sdk/fal, by the functions of the AI SDK.

import { readFileSync } from "node:fs";
import { fal } from "@ai-sdk/fal";
import { experimental_generateVideo as generateVideo, generateImage } from "ai";
import { generateSpeech, transcribe } from "ai";

import { ENDPOINT, FROM_IMAGE, content, errorOf, file, picture, telling } from "./telling.mjs";

const tell = telling("@ai-sdk/fal");
const prompt = "A lighthouse in the rain";
const poll = { intervalMs: 10 };
const described = ({ video }) => file(200, video.mediaType, video.uint8Array);

const of = (made, name) => content(name, made.mediaType, made.uint8Array);

async function images(id, options) {
  const model = fal.image(id);
  const made = await generateImage({ model, prompt, maxRetries: 0, ...options });
  const told = made.providerMetadata.fal.images;
  return { files: made.images.map((image) => of(image, "image")), told, warnings: made.warnings };
}

async function speech(id, options) {
  const text = "Forty-five letters take three seconds to say.";
  const made = await generateSpeech({ model: fal.speech(id), text, maxRetries: 0, ...options });
  return { files: [of(made.audio, `speech.${made.audio.format}`)] };
}

async function transcript(id, options) {
  const { files } = await speech("fal-ai/minimax/speech-02-hd");
  const audio = Buffer.from(files[0].data, "base64");
  const model = fal.transcription(id);
  const { text, segments, language, durationInSeconds } = await transcribe({
    model,
    audio,
    maxRetries: 0,
    ...options,
  });
  const parts = segments.map((one) => ({
    text: one.text,
    start: one.startSecond,
    end: one.endSecond,
  }));
  return { text, parts, language, seconds: durationInSeconds };
}

async function video(id, options) {
  const made = await generateVideo({ model: fal.video(id), prompt, poll, ...options });
  return { files: [of(made.video, "video.mp4")], told: made.providerMetadata.fal };
}

const withOptions = (fal) => ({ providerOptions: { fal } });
const three = { n: 3, size: "640x320", seed: 5 };
// The models are those that its pages and types name.
const media = {
  images: () =>
    images("fal-ai/flux/dev", { ...three, ...withOptions({ outputFormat: "png" }) }),
  images_inline: () =>
    images("fal-ai/flux/dev", { n: 2, size: "640x320", ...withOptions({ syncMode: true }) }),
  image_of_ratio: () => images("fal-ai/flux/schnell", { aspectRatio: "9:16" }),
  image_alone: () => images("bria/text-to-image/3.2", {}),
  image_edited: async () =>
    images("fal-ai/flux-pro/kontext", { prompt: { text: prompt, images: [await picture()] } }),
  images_edited: async () =>
    images("fal-ai/flux-2/edit", {
      prompt: { text: prompt, images: [await picture(), await picture()] },
      ...withOptions({ useMultipleImages: true }),
    }),
  speech: () =>
    speech("fal-ai/minimax/speech-02-hd", withOptions({ voice_setting: { speed: 1.5 } })),
  speech_of_prompt: () => speech("fal-ai/minimax/speech-2.6-hd"),
  transcript: () => transcript("whisper"),
  transcript_of_segments: () => transcript("wizper", withOptions({ batchSize: 10 })),
  transcript_by_default: () => transcript("wizper"),
  video_of_seconds: () =>
    video("luma-dream-machine/ray-2", { duration: 9, aspectRatio: "9:16" }),
  video_of_frames: () => video("hunyuan-video", { seed: 4 }),
  video_of_prompt: () => video("minimax-video"),
};

// Inputs by id, of models that make pictures or clips.
async function each(path) {
  const came = {};
  for (const [id, [makes, input]] of Object.entries(JSON.parse(readFileSync(path, "utf-8")))) {
    // Of these it has settings of its own, or takes fewer values than the models do.
    const { prompt: asked = prompt, num_images: _, output_format: __, ...rest } = input;
    const options = { prompt: asked, ...withOptions(rest) };
    try {
      came[id] = await (makes === "video" ? video(id, options) : images(id, options));
    } catch (error) {
      came[id] = { error: errorOf(error) };
    }
  }
  return came;
}

if (process.argv[2] === "each") {
  await tell("each", () => each(process.argv[3]));
} else if (process.argv[2] === "here") {
  await tell("video_from_here", () => generateVideo({ model: fal.video(ENDPOINT), prompt, poll }));
} else if (process.argv[2] === "media") {
  for (const [operation, work] of Object.entries(media)) await tell(operation, work);
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
}
