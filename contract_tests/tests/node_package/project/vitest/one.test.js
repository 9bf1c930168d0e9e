import { checks } from "../checks.cjs";
// After what reads the key as it is imported: the config has the package among its setupFiles.
import { setupFal } from "falkit/vitest";
import { test } from "vitest";

const fal = setupFal({ timing: "instant" });

for (const [name, check] of Object.entries(checks)) test(name, () => check(fal));
