import type { Fal, FalOptions } from "./index.js";

/** Return a mock for this file's tests: started before them, reset before each, ended after all. */
export function setupFal(options?: FalOptions): Fal;
