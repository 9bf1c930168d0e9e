import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  use: {
    // One of yours, in place of what `npx playwright install chromium` brings.
    launchOptions: { executablePath: process.env.CHROMIUM },
  },
});
