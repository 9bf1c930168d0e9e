"use strict";
// Tests of jest live in a realm of their own, where `require` takes no ESM and process.env is a
// copy. falkit lives outside of it, once for all files that a worker runs.

const vm = require("node:vm");

const { getBuiltinModule } = vm.runInThisContext("process");
const load = getBuiltinModule("node:module").createRequire(__filename);
const { setup } = load("./lib/hooks.js");
load("./lib/fal.js").giveKey(process.env);

exports.setupFal = (options) => {
  const here = globalThis;
  const globals = here.beforeAll ? here : require("@jest/globals");
  const { beforeAll, beforeEach, afterEach, afterAll, expect } = globals;
  const named = (each) => (hook) => each(() => hook(expect.getState().currentTestName));
  const hooks = {
    before: beforeAll,
    beforeEach: named(beforeEach),
    afterEach: named(afterEach),
    after: afterAll,
  };
  return setup(options, hooks, { parse: JSON.parse, env: process.env });
};
