// The AI SDK with the address of a served falkit: node served.mjs URL

import { createFal } from "@ai-sdk/fal";
import { generateImage } from "ai";

const fal = createFal({ baseURL: `${process.argv[2]}/fal.run`, apiKey: "falkit" });
const model = fal.image("fal-ai/flux/dev");
const { image } = await generateImage({ model, prompt: "A boat", size: "640x320", maxRetries: 0 });
console.log(image.mediaType, image.uint8Array.length > 1000);
