import { afterAll, beforeAll, beforeEach } from "vitest";

import { setup } from "./lib/hooks.js";

export const setupFal = (options) =>
  setup(options, { before: beforeAll, beforeEach, after: afterAll });
