// @tanstack/ai-fal, by the functions of TanStack AI.

import { generateAudio, generateImage, generateSpeech, generateTranscription } from "@tanstack/ai";
import { generateVideo, getVideoJobStatus } from "@tanstack/ai";
import { falAudio, falImage, falSpeech, falTranscription, falVideo } from "@tanstack/ai-fal";

import { ENDPOINT, download, kept, sound, telling } from "./telling.mjs";

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

async function images(adapter, options) {
  const made = await generateImage({ adapter, prompt, debug, ...options });
  const files = [];
  for (const { url, b64Json: data } of made.images) {
    files.push(data ? { name: "image", type: "image/jpeg", data } : await kept(url));
  }
  return { files };
}

if (process.argv[2] === "media") {
  await tell("images", () =>
    images(falImage("fal-ai/flux/dev"), { numberOfImages: 2, size: "landscape_16_9" }),
  );

  await tell("images_inline", () =>
    images(falImage("fal-ai/flux/dev"), { size: "square", modelOptions: { sync_mode: true } }),
  );

  await tell("speech", async () => {
    const text = "Forty-five letters take three seconds to say.";
    const adapter = falSpeech("fal-ai/elevenlabs/tts/eleven-v3");
    const { audio: data, format, contentType: type } = await generateSpeech({ adapter, text, debug });
    return { files: [{ name: `speech.${format}`, type, data }] };
  });

  await tell("audio", async () => {
    const adapter = falAudio("fal-ai/stable-audio-25/text-to-audio");
    const { audio } = await generateAudio({ adapter, prompt, duration: 7, debug });
    return { files: [await kept(audio.url)] };
  });

  await tell("transcript", async () => {
    const adapter = falTranscription("fal-ai/whisper");
    const audio = new Blob([sound()], { type: "audio/x-wav" });
    const made = await generateTranscription({ adapter, audio, language: "de", debug });
    return { text: made.text, parts: made.segments, language: made.language };
  });
} else {
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
}
