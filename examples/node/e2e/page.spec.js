import { expect, test as base } from "falkit/playwright";

import { serve } from "../app.js";

const test = base.extend({
  // The service runs in the test's own process, whose calls to fal end at the mock as the page's do.
  baseURL: async ({ falServer: _ }, use, info) => {
    const service = await serve({ folder: info.outputPath("clips") });
    await use(service.url);
    await service.close();
  },
});
test.use({ falOptions: { timing: "instant" } });

async function expectToPlay(video) {
  await expect(video).toHaveJSProperty("videoWidth", 1920);
  await expect.poll(() => video.evaluate(({ currentTime }) => currentTime)).toBeGreaterThan(0);
}

test("a preview plays, and what is kept plays from here", async ({ page, baseURL, fal }) => {
  await page.goto("/");
  await page.getByLabel("Prompt").fill("Rain over Lisbon");

  await page.getByRole("button", { name: "Preview" }).click();
  const video = page.locator("video");
  await expect(video).toHaveAttribute("src", /^https:\/\/v3b\.fal\.media\//);
  await expectToPlay(video);

  await page.getByRole("button", { name: "Keep" }).click();
  await expect(video).toHaveAttribute("src", /^\/clips\//);
  await expectToPlay(video);

  expect((await fal.jobs.list()).map(({ endpoint_id, input }) => [endpoint_id, input])).toEqual([
    ["fal-ai/ltx-2/text-to-video/fast", { prompt: "Rain over Lisbon" }],
    ["fal-ai/ltx-2/text-to-video", { prompt: "Rain over Lisbon" }],
  ]);
  expect(baseURL).toContain("127.0.0.1");
});

test("the page says why there is no clip", async ({ page, fal }) => {
  await fal.faults.add("content_policy_violation");
  await page.goto("/");
  await page.getByLabel("Prompt").fill("Rain over Lisbon");
  for (const name of ["Preview", "Keep"]) {
    await page.getByRole("button", { name }).click();
    await expect(page.getByRole("status")).toContainText("flagged");
  }
});
