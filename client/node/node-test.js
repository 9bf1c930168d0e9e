import { after, afterEach, before, beforeEach } from "node:test";

import { setup } from "./lib/hooks.js";

const named = (each) => (hook) => each((test) => hook(test.fullName ?? test.name));

export const setupFal = (options) =>
  setup(options, {
    before: (hook, timeout) => before(hook, { timeout }),
    beforeEach: named(beforeEach),
    afterEach: named(afterEach),
    after,
  });
