import { setupFal } from "falkit/vitest";
import { test } from "vitest";

import { checks } from "../checks.cjs";

const fal = setupFal({ timing: "instant" });

for (const [name, check] of Object.entries(checks)) test(name, () => check(fal));
