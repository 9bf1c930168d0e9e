// node server.js, with FAL_KEY and PUBLIC_URL, the address at which fal can reach it.

import { serve } from "./app.js";

const { PORT = "3000", PUBLIC_URL, CLIPS = "clips" } = process.env;

const { url, clips } = await serve({ folder: CLIPS, port: Number(PORT), publicUrl: PUBLIC_URL });
console.log(`Listening at ${url}`);
setInterval(() => clips.reconcile().catch((error) => console.error(error.message)), 60_000);
