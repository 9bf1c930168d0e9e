/** Something of falkit's own that can't work; the message says what to do. */
export class FalkitError extends Error {
  name = "FalkitError";
}
