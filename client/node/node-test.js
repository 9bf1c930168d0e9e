import { after, afterEach, before, beforeEach } from "node:test";

import { setup } from "./lib/hooks.js";

export const setupFal = (options) =>
  setup(options, {
    before: (hook, timeout) => before(hook, { timeout }),
    beforeEach,
    afterEach: (hook) => afterEach((test) => hook(test.fullName ?? test.name)),
    after,
  });
