import { after, afterEach, before } from "node:test";

import { setup } from "./lib/hooks.js";

export const setupFal = (options) =>
  setup(options, { before: (hook, timeout) => before(hook, { timeout }), afterEach, after });
