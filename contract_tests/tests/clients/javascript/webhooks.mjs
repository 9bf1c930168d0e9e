// fal's published procedure of verifying, with Node's crypto and with jose; nothing of falkit's.
// Written from wire.md §5.2. Each line of stdin is a delivery as JSON, {mode, url, headers, body,
// now}, the body in base64; each line of stdout says whether it is good:
//   node webhooks.mjs

import { createHash, createPublicKey, KeyObject, verify } from "node:crypto";
import { createInterface } from "node:readline";
import { importJWK } from "jose";

const DAY = 24 * 60 * 60;
const LEEWAY = 300;
// What DER puts before the 32 bytes of an Ed25519 key (RFC 8410).
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

const decoders = {
  // As the sample decodes: Buffer takes padding and its lack alike, no other field is looked at.
  sample: (entry) => {
    const key = Buffer.concat([SPKI, Buffer.from(entry.x, "base64url")]);
    return createPublicKey({ key, format: "der", type: "spki" });
  },
  // As Node reads a key as it stands.
  jwk: (entry) => createPublicKey({ key: entry, format: "jwk" }),
  // jose asks for the algorithm, since fal's keys don't name it.
  jose: async (entry) => KeyObject.from(await importJWK(entry, "EdDSA")),
  // RFC 7517 and RFC 8037: the right kind of key, and never padded.
  strict: ({ kty, crv, x, use = "sig" }) => {
    if (kty !== "OKP" || crv !== "Ed25519" || use !== "sig" || !/^[A-Za-z0-9_-]{43}$/.test(x)) {
      throw new TypeError("no Ed25519 key");
    }
    return createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  },
};

const kept = new Map();

async function keys(url, now) {
  const known = kept.get(url);
  if (known && now - known.since <= DAY) return known.keys;
  const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`the keys answered ${answer.status}`);
  const found = (await answer.json()).keys ?? [];
  kept.set(url, { since: now, keys: found });
  return found;
}

async function accepts({ mode, url, headers, body, now }) {
  const given = new Headers(headers);
  const [requestId, userId, timestamp, signature] = [
    "request-id",
    "user-id",
    "timestamp",
    "signature",
  ].map((name) => given.get(`x-fal-webhook-${name}`));
  if (!requestId || !userId || !timestamp || !signature) return false;
  // Written so that what is no number is refused.
  if (!(Math.abs(now - Number(timestamp)) <= LEEWAY)) return false;
  const digest = createHash("sha256").update(Buffer.from(body, "base64")).digest("hex");
  const message = Buffer.from([requestId, userId, timestamp, digest].join("\n"), "utf-8");
  const made = Buffer.from(signature, "hex");
  for (const entry of await keys(url, now)) {
    try {
      if (verify(null, message, await decoders[mode](entry), made)) return true;
    } catch {
      // Another kind of key, or one that this reader can't read.
    }
  }
  return false;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await accepts(JSON.parse(line))));
}
