// Has the official client meet faults, one after the other, and prints what it made of each:
//   node failing.mjs ORIGIN KEY ENDPOINT FAULTS
// FAULTS is a JSON list of falkit's rules, which the prompt names. Its pauses between attempts are
// cut to a millisecond; how often it tries is its own affair.

import { ApiError, ValidationError, createFalClient } from "@fal-ai/client";

const [origin, key, endpoint, written] = process.argv.slice(2);
const later = globalThis.setTimeout;
globalThis.setTimeout = (work, ms, ...more) => later(work, Math.min(ms ?? 0, 1), ...more);
let calls = [];
const fal = createFalClient({
  credentials: key,
  fetch: (url, init) => {
    calls.push(new Headers(init.headers).get("x-fal-target-url"));
    return fetch(url, init);
  },
  proxyUrl: { url: `${origin}/api/fal/proxy`, when: "always" },
});

async function failure(work) {
  calls = [];
  try {
    return { value: await work(), calls };
  } catch (error) {
    const told = { name: error.name, message: error.message, calls };
    if (error instanceof ApiError) {
      const { status, body, requestId, isUserTimeout } = error;
      Object.assign(told, { status, body, requestId, isUserTimeout });
    }
    if (error instanceof ValidationError) told.fieldErrors = error.fieldErrors;
    return told;
  }
}

const told = {};
for (const fault of JSON.parse(written)) {
  const input = { prompt: `A lighthouse [falkit:${fault}]` };
  told[fault] = {
    run: await failure(() => fal.run(endpoint, { input })),
    queue: await failure(() => fal.subscribe(endpoint, { input, pollInterval: 1 })),
  };
}
console.log(JSON.stringify(told));
