// One mock for a whole run of vitest or jest (globalSetup), or of node:test (--test-global-setup).
// Workers find it in the environment, and each has a key of its own, with a mock of its own.

import { startServer } from "./lib/command.js";
import { environOf, serverOptions, SHARED } from "./lib/fal.js";

/** Return a global set-up with options of yours, for a file of yours to export. */
export const globalSetupWith = (options) => async () => {
  const wanted = serverOptions(options ?? {});
  const server = await startServer({ ...wanted, tenants: true });
  const { url, gateway, ca, stop } = server;
  const shared = JSON.stringify({ url, gateway, ca, egress: wanted.egress, options: wanted });
  // Led from their start are also those that never ask for the mock, where workers are processes.
  Object.assign(process.env, environOf({ ...server, ...wanted }), { [SHARED]: shared });
  return stop;
};

let end;
export const globalSetup = async () => void (end = await globalSetupWith()());
export const globalTeardown = () => end?.();
export default globalSetupWith();
