import { after, before, beforeEach } from "node:test";

import { setup } from "./lib/hooks.js";

export const setupFal = (options) =>
  setup(options, { before: (hook, timeout) => before(hook, { timeout }), beforeEach, after });
