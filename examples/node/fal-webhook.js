// Whether a webhook is fal's: https://fal.ai/docs has the procedure under "Webhooks".

import { createHash, createPublicKey, verify } from "node:crypto";

const KEYS = "https://rest.fal.ai/.well-known/jwks.json";
// Milliseconds for which fal allows its keys to be kept.
const A_DAY = 86_400_000;
// And after which they are asked for again where none of them fits.
const A_MINUTE = 60_000;
const LEEWAY_S = 300;

let keys = [];
let fetched = -Infinity;
let missed = -Infinity;

/** Tell whether fal has signed these headers and this body, a Buffer of what came. */
export async function isFromFal(headers, body) {
  const [id, user, timestamp, signature] = ["request-id", "user-id", "timestamp", "signature"].map(
    (name) => headers[`x-fal-webhook-${name}`],
  );
  if (!id || !user || !timestamp || !signature || !Buffer.isBuffer(body)) return false;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= LEEWAY_S)) return false;

  const digest = createHash("sha256").update(body).digest("hex");
  const message = Buffer.from([id, user, timestamp, digest].join("\n"));
  const fits = (key) => verify(null, message, key, Buffer.from(signature, "hex"));

  if (Date.now() - fetched > A_DAY) await fetchKeys();
  if (keys.some(fits)) return true;
  // Fal may have a new key; whoever sends rubbish has it asked for once a minute, and no more.
  if (Date.now() - missed < A_MINUTE) return false;
  missed = Date.now();
  await fetchKeys();
  return keys.some(fits);
}

async function fetchKeys() {
  const reply = await fetch(KEYS, { signal: AbortSignal.timeout(10_000) });
  if (!reply.ok) throw new Error(`${KEYS} answered ${reply.status}`);
  const found = await reply.json();
  keys = found.keys
    .filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519")
    .map((key) => createPublicKey({ key, format: "jwk" }));
  fetched = Date.now();
}
