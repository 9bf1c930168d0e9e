import { expect, test } from "falkit/playwright";

test("requests of a test's own end at the mock, too", async ({ request, fal }) => {
  const reply = await request.post("https://fal.run/fal-ai/ltx-2/text-to-video", {
    headers: { authorization: `Key ${fal.key}` },
    data: { prompt: "Snow" },
  });
  expect((await reply.json()).video.url).toMatch(/^https:\/\/v3b\.fal\.media\//);
  expect((await fal.jobs.list()).length).toBe(1);
});
