import { afterAll, afterEach, beforeAll } from "vitest";

import { setup } from "./lib/hooks.js";

export const setupFal = (options) =>
  setup(options, { before: beforeAll, afterEach, after: afterAll });
