// What the programs print of each operation: a line of JSON, with a value or an error.

export const ENDPOINT = "fal-ai/ltx-2/text-to-video";
export const FROM_IMAGE = "fal-ai/ltx-2/image-to-video/fast";
export const [CHAT, PAINT] = ["openrouter/router", "fal-ai/flux/dev"];
export const STREAM = "fal-ai/flux-lora/stream";
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

// Two seconds of silence, as WAV.
export function sound() {
  const size = 2 * 2 * 8000;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + size, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(16000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(size, 40);
  return Buffer.concat([head, Buffer.alloc(size)]);
}

// Describes the bytes of a file.
export const file = (status, type, bytes) => ({
  status,
  type,
  size: bytes.length,
  kind: Buffer.from(bytes.slice(4, 8)).toString("latin1"),
});

// The same with the bytes, for who opens it.
export const content = (name, type, bytes) => ({
  name,
  type,
  data: Buffer.from(bytes).toString("base64"),
});

export async function kept(url) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${reply.status} of ${url}`);
  return content(url, reply.headers.get("content-type"), await reply.arrayBuffer());
}

// The URLs in an output, in their order.
export function urlsIn(output) {
  if (typeof output === "string") return output.startsWith("https://") ? [output] : [];
  return output && typeof output === "object" ? Object.values(output).flatMap(urlsIn) : [];
}

export async function download(url) {
  const reply = await fetch(url);
  const bytes = new Uint8Array(await reply.arrayBuffer());
  return file(reply.status, reply.headers.get("content-type"), bytes);
}

export function errorOf(error) {
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
