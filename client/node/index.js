export { FalkitError } from "./lib/errors.js";
export { Fal, startFal } from "./lib/fal.js";
