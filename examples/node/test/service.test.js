import { setupFal } from "falkit/vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

import { serve } from "../app.js";

const mock = setupFal({ timing: "instant" });

let folder;
let service;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "clips-"));
  service = await serve({ folder });
});
afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true });
});

const post = (to, body, more = {}) =>
  fetch(service.url + to, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...more },
  });
const ask = async (body = { prompt: "Rain over Lisbon" }) => (await post("/api/clips", body)).json();
const get = async (id) => (await fetch(`${service.url}/api/clips/${id}`)).json();

test("a clip is kept once fal says that it is done", async () => {
  const { id, state } = await ask();
  expect(state).toBe("pending");
  await mock.webhooks.wait({ job: id });

  expect(await get(id)).toMatchObject({ state: "done", prompt: "Rain over Lisbon" });
  const clip = await fetch(`${service.url}/clips/${id}.mp4`);
  expect(clip.headers.get("content-type")).toBe("video/mp4");
  expect(Buffer.from(await clip.arrayBuffer()).toString("latin1", 4, 8)).toBe("ftyp");
  expect((await mock.jobs.get(id)).input).toEqual({ prompt: "Rain over Lisbon" });
});

test("what a model refuses is told", async () => {
  await mock.faults.add("content_policy_violation");
  const { id } = await ask();
  await mock.webhooks.wait({ job: id });
  expect(await get(id)).toMatchObject({ state: "failed", error: expect.stringMatching(/flagged/) });
});

test("what fal refuses is told", async () => {
  await mock.faults.add("account_locked");
  const reply = await post("/api/clips", { prompt: "Rain over Lisbon" });
  expect(reply.status).toBe(502);
  expect((await reply.json()).error).toMatch(/locked/);
});

test("an empty prompt costs nothing", async () => {
  expect(await ask({ prompt: " " })).toEqual({ error: "a clip needs a prompt" });
  expect(await mock.jobs.list()).toEqual([]);
});

test("a clip that can't be read is fetched when the webhook comes again", async () => {
  await mock.faults.add("media_missing times=1");
  const { id } = await ask();
  await mock.webhooks.wait({ job: id, status: "retry" });
  expect(await get(id)).toMatchObject({ state: "pending" });

  await mock.clock.advance("10m");
  await mock.webhooks.wait({ job: id });
  expect(await get(id)).toMatchObject({ state: "done" });
});

test("a webhook that comes twice is acted on once", async () => {
  const { id } = await ask();
  await mock.webhooks.wait({ job: id });
  await mock.webhooks.resend(id);
  await mock.webhooks.wait({ job: id, count: 2 });
  expect(await mock.requests.list({ host: "v3b.fal.media" })).toHaveLength(1);
});

test("a clip whose webhook is lost is asked for", async () => {
  await mock.faults.add("webhook_lost");
  const { id } = await ask();
  await service.clips.reconcile();
  expect(await get(id)).toMatchObject({ state: "pending" });

  await service.clips.reconcile(0);
  expect(await get(id)).toMatchObject({ state: "done" });
});

test("a stranger's webhook is refused", async () => {
  const { id } = await ask();
  const [{ request }] = await mock.webhooks.wait({ job: id });
  const forged = { ...JSON.parse(request.body), status: "ERROR" };
  expect((await post("/webhooks/fal", forged)).status).toBe(401);
  expect((await post("/webhooks/fal", forged, request.headers)).status).toBe(401);
  expect(await get(id)).toMatchObject({ state: "done" });
});

test("visitors have no other endpoint by way of the proxy", async () => {
  const to = (endpoint) =>
    post("/api/fal/proxy", { prompt: "Rain" }, { "x-fal-target-url": `https://queue.fal.run/${endpoint}` });
  expect((await to("fal-ai/ltx-2/text-to-video")).status).toBe(400);
  expect((await to("fal-ai/ltx-2/text-to-video/fast")).status).toBe(200);
  expect((await mock.billing()).cost).toBe("0.24");
});
