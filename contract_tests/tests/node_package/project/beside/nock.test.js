import { setupFal } from "falkit/vitest";
import nock from "nock";
import { afterAll, expect, test } from "vitest";
import { makeClip } from "../make-clip.js";

const mock = setupFal({ timing: "instant" });
nock.disableNetConnect();
nock.enableNetConnect(/fal\.(run|ai|media)|127\.0\.0\.1/);
afterAll(() => nock.restore());

test("nock answers for others, and falkit for fal", async () => {
  nock("https://api.example.com").get("/").reply(200, "nock's");
  expect(await (await fetch("https://api.example.com/")).text()).toBe("nock's");
  expect(await makeClip("Rain")).toMatch(/^https:\/\/v3b\.fal\.media\//);
  expect(await mock.jobs.list()).toHaveLength(1);
  await expect(fetch("https://elsewhere.example.com/")).rejects.toThrow();
});
