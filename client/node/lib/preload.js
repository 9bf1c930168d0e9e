// For Node programs that a test starts (NODE_OPTIONS): led where the test is led.

import { readFileSync } from "node:fs";

import { lead } from "./lead.js";

const { FALKIT_GATEWAY: gateway, FALKIT_CA: ca, FALKIT_EGRESS: egress } = process.env;
if (gateway && ca) lead({ gateway, ca: readFileSync(ca, "utf8"), egress });
