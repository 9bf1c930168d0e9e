// What the types allow, and what they refuse.

import { Fal, type FalOptions, FalkitError, type Job, startFal } from "falkit";
import setUp, { globalSetupWith } from "falkit/global-setup";
import { setupFal as setupForJest } from "falkit/jest";
import { setupFal as setupForNode } from "falkit/node-test";
import { expect, test } from "falkit/playwright";
import { setupFal } from "falkit/vitest";

const options: FalOptions = { timing: "0.5,2", seed: 7, documents: ["fal"], maxBody: 1024, budget: 2.5, alertAt: [1] };
const mocks: Fal[] = [setupFal(options), setupForJest(), setupForNode({ faults: "stuck" })];

export const ended: Promise<() => Promise<void>>[] = [setUp(), globalSetupWith(options)()];

export async function use(): Promise<string> {
  await using mock = await startFal({ faults: [{ fault: "latency", seconds: 1 }] });
  const [job]: Job[] = await mock.jobs.list({ status: "COMPLETED" });
  await mock.jobs.fail({ requestId: "1" }, "runner_disconnected");
  await mock.clock.set(new Date());
  // @ts-expect-error: no such status
  await mock.jobs.list({ status: "FAILED" });
  // @ts-expect-error: no number
  await mock.faults.add(1);
  // @ts-expect-error: misspelt
  setupFal({ timming: "instant" });
  // @ts-expect-error: for reading
  mock.url = "";
  return job?.outcome?.error_type ?? mock.config.proxyUrl.url ?? String(mocks.length);
}

test("fixtures have types", async ({ fal, falServer, page }) => {
  const url: string = fal.url + falServer.gateway;
  await page.goto(url);
  expect(url).toBe(new FalkitError("no").message);
});
test.use({ falOptions: { timing: "polls" } });
