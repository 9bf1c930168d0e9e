import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

import { setup } from "./lib/hooks.js";

const nameOf = (task) => [task.suite && nameOf(task.suite), task.name].filter(Boolean).join(" > ");
const named = (each) => (hook) => each(({ task }) => hook(nameOf(task)));

export const setupFal = (options) =>
  setup(options, {
    before: beforeAll,
    beforeEach: named(beforeEach),
    afterEach: named(afterEach),
    after: afterAll,
  });
