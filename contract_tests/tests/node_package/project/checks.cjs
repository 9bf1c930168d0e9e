// What every runner's tests check, each with the mock of its file; the runner's own file names them.

// Not the strict one, which takes no object of another realm for equal; jest's tests have their own.
const assert = require("node:assert");
const { spawnSync } = require("node:child_process");
const { once } = require("node:events");
const http = require("node:http");
const https = require("node:https");

const { createFalClient, fal: client } = require("@fal-ai/client");

const ENDPOINT = "fal-ai/ltx-2/text-to-video";
// As modules have it that read it as soon as they are imported, after falkit here.
const KEY = process.env.FAL_KEY;
const input = { prompt: `Rain over ${process.pid}` };
const subscribe = (more) => client.subscribe(ENDPOINT, { input, pollInterval: 10, ...more });

// Runs what a receiver of webhooks hears; `answers` are its status codes, the last one from then on.
async function receiving(answers, act) {
  const heard = [];
  const server = http.createServer(async (request, reply) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    heard.push(JSON.parse(Buffer.concat(pieces)));
    reply.writeHead(answers[Math.min(heard.length, answers.length) - 1]).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    return await act(`http://127.0.0.1:${server.address().port}/fal`, heard);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const checks = {
  "an unmodified client gets a clip": async (fal) => {
    const { data, requestId } = await subscribe();
    const reply = await fetch(data.video.url);
    assert.match(data.video.url, /^https:\/\/v3b\.fal\.media\//);
    assert.equal(reply.headers.get("content-type"), "video/mp4");
    assert.equal(Buffer.from(await reply.arrayBuffer()).toString("latin1", 4, 8), "ftyp");
    const jobs = await fal.jobs.list();
    assert.deepEqual(
      jobs.map(({ request_id, input }) => [request_id, input.prompt]),
      [[requestId, input.prompt]],
    );
    assert.equal(`${jobs[0].key}:falkit`, process.env.FAL_KEY);
    assert.equal((await fal.billing()).cost, "0.36");
    assert.ok(Number((await fal.spend()).cost) >= 0.36);
  },

  "a test before left nothing": async (fal) => {
    assert.deepEqual(await fal.jobs.list(), []);
    assert.deepEqual(await fal.requests.list(), []);
    assert.deepEqual(await fal.faults.list(), []);
  },

  "what is to go wrong goes wrong": async (fal) => {
    const rule = await fal.faults.add("content_policy_violation times=1");
    const refused = await subscribe().catch((error) => error);
    assert.deepEqual(
      [refused.status, refused.body.detail[0].type],
      [422, "content_policy_violation"],
    );
    assert.ok((await subscribe()).data.video);
    assert.deepEqual(
      (await fal.faults.list()).map(({ id, applied }) => [id, applied]),
      [[rule.id, 1]],
    );
  },

  "an output is pinned": async (fal) => {
    const video = { url: "https://example.com/rain.mp4" };
    await fal.pin(ENDPOINT, { video }, { times: 1 });
    assert.deepEqual((await subscribe()).data, { video });
    assert.notDeepEqual((await subscribe()).data, { video });
  },

  "a client that is led by nothing is told where to go": async (fal) => {
    const page = createFalClient({ suppressLocalCredentialsWarning: true, ...fal.config });
    const { data } = await page.run(ENDPOINT, { input });
    assert.ok(data.video.url);
    assert.equal((await fal.jobs.list()).length, 1);
  },

  "code that has read the key when it was imported has the right one": async (fal) => {
    const early = createFalClient({ credentials: KEY });
    assert.ok((await early.run(ENDPOINT, { input })).data.video);
    assert.equal((await fal.jobs.list()).length, 1);
  },

  "a webhook is tried again when time goes on": async (fal) => {
    await receiving([500, 200], async (webhookUrl, heard) => {
      await fal.clock.pause();
      const job = await client.queue.submit(ENDPOINT, { input, webhookUrl });
      const [first] = await fal.webhooks.wait({ job, status: "retry" });
      assert.equal(first.response.status_code, 500);
      await fal.clock.advance("1h");
      await fal.webhooks.wait({ job });
      assert.deepEqual(
        heard.map((payload) => payload.request_id),
        [job.request_id, job.request_id],
      );
    });
  },

  "time that a test paused goes on": async (fal) => {
    assert.equal((await fal.clock.now()).running, true);
  },

  "a wait says what came instead": async (fal) => {
    await client.queue.submit(ENDPOINT, { input });
    await assert.rejects(
      fal.webhooks.wait({ timeout: 0.01 }),
      /0 of 1 .*; none was sent; was webhookUrl given/,
    );
    await assert.rejects(
      fal.requests.wait({ path: "/fal-ai/flux/*", timeout: 0.01 }),
      /POST queue\.fal\.run\/fal-ai\/ltx-2/,
    );
    await assert.rejects(fal.faults.add("image_load_eror"), /image_load_error/);
    await assert.rejects(fal.clock.advance("soon"), /"soon" isn't a time/);
  },

  "a slip comes with a hint": async (fal) => {
    await client.queue.submit(ENDPOINT, { input: { ...input, durations: 8 } });
    const [request] = await fal.requests.wait({ method: "POST", status: 200 });
    assert.match(request.hint, /durations/);
  },

  "what would fail at fal is found": async (fal) => {
    const { request_id } = await client.queue.submit(ENDPOINT, { input });
    const headers = { authorization: `Key ${process.env.FAL_KEY}` };
    const url = `https://queue.fal.run/${ENDPOINT}/requests/${request_id}`;
    assert.equal((await fetch(url, { headers })).status, 405);
    await fal.reset();
    await fetch(url, { headers });
    const [{ code, severity, times, fix }] = await fal.findings();
    assert.deepEqual([code, severity, times], ["whole-id-url", "error", 2]);
    assert.match(fix, /^leave out/);
  },

  "Node's own modules and other programs are led too": async (fal) => {
    const reply = await new Promise((resolve, reject) => {
      https.get("https://queue.fal.run/fal-ai/none", resolve).on("error", reject);
    });
    reply.resume();
    assert.equal(reply.statusCode >= 400 && reply.statusCode < 500, true);
    const code = `fetch("https://queue.fal.run/${ENDPOINT}", {
      method: "POST", headers: { authorization: "Key " + process.env.FAL_KEY }, body: '{"prompt": "Snow"}' })`;
    const env = { ...process.env, ...fal.environ };
    const done = spawnSync(process.execPath, ["-e", code], { encoding: "utf8", env });
    assert.equal(done.stderr, "");
    assert.deepEqual(
      (await fal.jobs.list()).map((job) => job.input),
      [{ prompt: "Snow" }],
    );
  },
};

module.exports = { checks };
