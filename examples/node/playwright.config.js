import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  // A busy machine takes its time until a clip is loaded.
  timeout: 90_000,
  expect: { timeout: 60_000 },
  use: {
    // One of yours, in place of what `npx playwright install chromium` brings.
    launchOptions: { executablePath: process.env.CHROMIUM },
  },
});
