// A service whose own call makes a clip, for what the page shows of it.

import { fal } from "@fal-ai/client";
import { once } from "node:events";
import http from "node:http";

export async function serve() {
  const server = http.createServer(async (request, reply) => {
    let body = "";
    for await (const piece of request) body += piece;
    const { data } = await fal.subscribe("fal-ai/ltx-2/text-to-video", { input: JSON.parse(body) });
    reply.end(JSON.stringify({ video: data.video.url }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = async () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}
