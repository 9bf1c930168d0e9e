import type { FalOptions } from "./index.js";

/** Start one mock for a whole run; what it returns ends it. For vitest and jest. */
declare const setUp: () => Promise<() => Promise<void>>;
export default setUp;

/** Return a global set-up with options of yours, for a file of yours to export. */
export function globalSetupWith(options?: FalOptions): () => Promise<() => Promise<void>>;

/** For `node --test-global-setup`. */
export function globalSetup(): Promise<void>;
export function globalTeardown(): Promise<void> | undefined;
