import { setupFal } from "falkit/vitest";
import { http, HttpResponse } from "msw";
import { setupServer } from "msw/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fal } from "@fal-ai/client";
import { makeClip } from "../make-clip.js";

const mock = setupFal({ timing: "instant" });
const server = setupServer(http.get("https://api.example.com/", () => HttpResponse.text("MSW's")));
beforeAll(() => server.listen({ onUnhandledFrame: "bypass" }));
beforeAll(() => fal.config({ fetch: (...request) => fetch(...request) }));
afterAll(() => server.close());

test("MSW answers for others, and falkit for fal", async () => {
  expect(await (await fetch("https://api.example.com/")).text()).toBe("MSW's");
  const url = await makeClip("Rain");
  expect(url).toMatch(/^https:\/\/v3b\.fal\.media\//);
  expect((await fetch(url)).headers.get("content-type")).toBe("video/mp4");
  expect(await mock.jobs.list()).toHaveLength(1);
});
