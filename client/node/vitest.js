import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

import { setup } from "./lib/hooks.js";

const nameOf = (task) => [task.suite && nameOf(task.suite), task.name].filter(Boolean).join(" > ");

export const setupFal = (options) =>
  setup(options, {
    before: beforeAll,
    beforeEach,
    afterEach: (hook) => afterEach(({ task }) => hook(nameOf(task))),
    after: afterAll,
  });
