import type {
  PlaywrightTestArgs,
  PlaywrightTestOptions,
  PlaywrightWorkerArgs,
  PlaywrightWorkerOptions,
  TestType,
} from "@playwright/test";

import type { Fal, FalOptions } from "./index.js";

export { expect } from "@playwright/test";

/** What `test` has beside Playwright's own: for a config, `defineConfig<{}, FalWorker>`. */
export interface FalWorker {
  /** What the mock is started with; an option, for `test.use` and `use` of a config. */
  falOptions: FalOptions;
  /** The worker's mock. */
  falServer: Fal;
}

/** Playwright's `test`, whose pages' calls to fal end at a mock; `fal` is it, reset before each test. */
export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & { fal: Fal },
  PlaywrightWorkerArgs & PlaywrightWorkerOptions & FalWorker
>;
