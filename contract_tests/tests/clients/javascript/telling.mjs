// What the programs print of each operation: a line of JSON, with a value or an error.

export const ENDPOINT = "fal-ai/ltx-2/text-to-video";
export const FROM_IMAGE = "fal-ai/ltx-2/image-to-video/fast";
export const [CHAT, PAINT] = ["openrouter/router", "fal-ai/flux/dev"];
// Of documents of a user's own.
export const [WORKFLOW, SOCKET] = ["workflows/acme/sticker", "acme/canvas"];
export const input = { prompt: "A lighthouse in the rain" };

// A PNG of 640 by 360 pixels, which is more than the models' least.
export async function picture() {
  const { deflateSync, crc32 } = await import("node:zlib");
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const length = Buffer.alloc(4);
    const check = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(640, 0);
  header.writeUInt32BE(360, 4);
  header.set([8, 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(641 * 360))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

// Describes the bytes of a file.
export const file = (status, type, bytes) => ({
  status,
  type,
  size: bytes.length,
  kind: Buffer.from(bytes.slice(4, 8)).toString("latin1"),
});

export async function download(url) {
  const reply = await fetch(url);
  const bytes = new Uint8Array(await reply.arrayBuffer());
  return file(reply.status, reply.headers.get("content-type"), bytes);
}

function errorOf(error) {
  const { name, message, status, statusCode, body, detail } = error;
  return { name, message, status_code: status ?? statusCode, body, detail };
}

// Returns a function that does something and prints what came of it.
export const telling = (client) => async (operation, work) => {
  const began = performance.now();
  let told;
  try {
    told = { value: await work() };
  } catch (error) {
    told = { error: errorOf(error) };
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ client, operation, ...told, seconds }));
};
