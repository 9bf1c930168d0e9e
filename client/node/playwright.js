import { test as base } from "@playwright/test";

import { Fal, giveKey } from "./lib/fal.js";
import { tell } from "./lib/hooks.js";

export { expect } from "@playwright/test";

giveKey(process.env);

export const test = base.extend({
  falOptions: [{}, { option: true, scope: "worker" }],
  falServer: [
    async ({ falOptions }, use) => {
      const fal = await new Fal(falOptions).start();
      await use(fal);
      try {
        await fal.close();
      } finally {
        tell(fal);
      }
    },
    { scope: "worker", timeout: 150_000 },
  ],
  // For tests, too, that have a page alone.
  fal: [
    async ({ falServer }, use, { titlePath }) => {
      const test = titlePath.join(" > ");
      await falServer.begin(test);
      await use(falServer);
      await falServer.judge(test);
    },
    { auto: true },
  ],
  // The pages' calls to fal's names end at the gateway, whose certificate no browser knows.
  proxy: async ({ falServer }, use) =>
    use({ server: falServer.gateway, bypass: "localhost,127.0.0.1,[::1]" }),
  ignoreHTTPSErrors: true,
});
