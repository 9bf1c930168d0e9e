// Runs one operation of the official client against falkit and prints what it came to, as JSON:
//   node driver.mjs ORIGIN KEY OPERATION ENDPOINT INPUT
// An empty KEY is none at all. What the client throws is printed as `error`.

import { ApiError, ValidationError, createFalClient } from "@fal-ai/client";

const [origin, key, operation, endpoint, written] = process.argv.slice(2);
const input = JSON.parse(written);
// The x-fal-… headers of each request, as they leave the client.
const sent = [];
const fal = createFalClient({
  credentials: key || undefined,
  fetch: (url, init) => {
    const headers = Object.entries(init.headers).filter(([name]) => /^x-fal-/i.test(name));
    sent.push(Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])));
    return fetch(url, init);
  },
  // A string would be used by browsers alone.
  proxyUrl: { url: `${origin}/api/fal/proxy`, when: "always" },
});

// Follows a request as the client does, and keeps all that it told.
async function subscribe(options) {
  const updates = [];
  const enqueued = [];
  const result = await fal.subscribe(endpoint, {
    input,
    logs: true,
    onEnqueue: (requestId) => enqueued.push(requestId),
    // A copy, for in streaming mode the client adds to one list of logs.
    onQueueUpdate: (update) => updates.push(structuredClone(update)),
    ...options,
  });
  return { updates, enqueued, result };
}

async function submitted() {
  const { request_id: requestId } = await fal.queue.submit(endpoint, { input });
  return { requestId };
}

async function failure(work) {
  try {
    return { value: await work };
  } catch (error) {
    const told = { name: error.name, message: error.message, isApiError: error instanceof ApiError };
    if (error instanceof ApiError) {
      Object.assign(told, { status: error.status, body: error.body, requestId: error.requestId });
    }
    if (error instanceof ValidationError) {
      told.fieldErrors = error.fieldErrors;
      told.ofDuration = error.getFieldErrors("duration");
      told.ofPrompt = error.getFieldErrors("prompt");
    }
    return { error: told };
  }
}

const operations = {
  run: () => fal.run(endpoint, { input }),

  subscribePolling: () => subscribe({ pollInterval: 1 }),

  subscribeStreaming: () => subscribe({ mode: "streaming" }),

  subscribeTimeout: async () => {
    const enqueued = [];
    const options = { input, pollInterval: 1, timeout: 30, onEnqueue: (id) => enqueued.push(id) };
    const { error } = await failure(fal.subscribe(endpoint, options));
    return { enqueued, error };
  },

  submit: () => fal.queue.submit(endpoint, { input, priority: "low", hint: "here" }),

  startTimeoutAndHint: async () => {
    await fal.queue.submit(endpoint, { input, startTimeout: 30, hint: "here" });
    return sent;
  },

  stream: async () => (await fal.stream(endpoint, { input })).done(),

  status: async () => {
    const request = await submitted();
    const [queued, running, done] = [
      await fal.queue.status(endpoint, { ...request, logs: false }),
      await fal.queue.status(endpoint, { ...request, logs: true }),
      await fal.queue.status(endpoint, { ...request, logs: true }),
    ];
    return { ...request, queued, running, done };
  },

  streamStatus: async () => {
    const request = await submitted();
    const stream = await fal.queue.streamStatus(endpoint, { ...request, logs: true });
    const events = [];
    for await (const event of stream) events.push(event);
    return { ...request, events, last: await stream.done() };
  },

  result: async () => {
    const { enqueued } = await subscribe({ pollInterval: 1 });
    const [requestId] = enqueued;
    const first = await fal.queue.result(endpoint, { requestId });
    const second = await fal.queue.result(endpoint, { requestId });
    return { requestId, first, second };
  },

  earlyResult: async () => {
    const request = await submitted();
    return { ...request, ...(await failure(fal.queue.result(endpoint, request))) };
  },

  cancel: async () => {
    const request = await submitted();
    await fal.queue.cancel(endpoint, request);
    return {
      ...request,
      status: await fal.queue.status(endpoint, request),
      result: await failure(fal.queue.result(endpoint, request)),
      again: await failure(fal.queue.cancel(endpoint, request)),
    };
  },

  unknownRequest: () => fal.queue.status(endpoint, { requestId: "nobody" }),

  upload: async () => {
    const image = new Blob([Uint8Array.from(input.bytes)], { type: "image/png" });
    const url = await fal.storage.upload(image);
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const { data } = await fal.run(endpoint, { input: { prompt: input.prompt, image_url: image } });
    return { url, bytes: [...bytes], data };
  },
};

console.log(JSON.stringify(await failure(operations[operation]())));
