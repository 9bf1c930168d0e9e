import { setupFal } from "falkit/node-test";
import test from "node:test";

import { checks } from "../checks.cjs";

const fal = setupFal({ timing: "instant" });

for (const [name, check] of Object.entries(checks)) test(name, () => check(fal));
