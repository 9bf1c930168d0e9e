// The routes: a page that plays previews by way of fal's proxy, and clips that are kept.

import { ApiError } from "@fal-ai/client";
import { createHandler, route } from "@fal-ai/server-proxy/express";
import express from "express";
import { once } from "node:events";
import http from "node:http";

import { Clips } from "./clips.js";
import { isFromFal } from "./fal-webhook.js";

const PUBLIC = new URL("public", import.meta.url).pathname;

export function createApp(clips) {
  const app = express();

  // Before express.json(), since what is signed are the bytes.
  const bytes = express.raw({ type: () => true, limit: "5mb" });
  app.post("/webhooks/fal", bytes, (request, response, next) => {
    const taken = async () => {
      if (!(await isFromFal(request.headers, request.body))) return response.sendStatus(401);
      await clips.finish(JSON.parse(request.body));
      response.sendStatus(204);
    };
    // After an error fal sends it again.
    taken().catch(next);
  });

  app.use(express.json());
  app.use(express.static(PUBLIC));

  // Any visitor may have a preview; a service with accounts asks here who it is.
  const previews = {
    allowedEndpoints: ["fal-ai/ltx-2/text-to-video/fast"],
    allowUnauthorizedRequests: false,
    isAuthenticated: async () => true,
  };
  app.all(route, createHandler(previews));

  app.post("/api/clips", (request, response, next) => {
    const { prompt } = request.body;
    if (typeof prompt !== "string" || !prompt.trim()) {
      return response.status(400).json({ error: "a clip needs a prompt" });
    }
    clips.make(prompt).then((clip) => response.status(202).json(clip), next);
  });

  app.get("/api/clips/:id", (request, response) => {
    const clip = clips.get(request.params.id);
    if (clip) response.json(clip);
    else response.status(404).json({ error: "no such clip" });
  });

  app.get("/clips/:id.mp4", (request, response, next) => {
    const file = clips.file(request.params.id);
    if (file) response.sendFile(file, { dotfiles: "allow" });
    else next();
  });

  app.use((error, _request, response, _next) => {
    if (response.headersSent) return response.end();
    const ofFal = error instanceof ApiError;
    const status = ofFal ? 502 : (error.status ?? 500);
    if (status >= 500) console.error(error.message);
    const told = ofFal ? (error.body?.detail ?? error.message) : error.message;
    response.status(status).json({ error: told });
  });
  return app;
}

/** Serve the app; `publicUrl` is where fal finds it. */
export async function serve({ folder, port = 0, publicUrl }) {
  const server = http.createServer();
  await once(server.listen(port, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  const clips = new Clips({ folder, webhookUrl: new URL("/webhooks/fal", publicUrl ?? url).href });
  server.on("request", createApp(clips));
  const close = () => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  };
  return { url, clips, close };
}
