import { Fal, giveKey } from "./fal.js";

// Milliseconds, more than the command's own, which says what is wrong.
const PATIENCE = 150_000;

giveKey(process.env);

/** Write what the tests of a mock have done wrong. */
export function tell(fal) {
  const told = fal.summary();
  if (told) process.stderr.write(`\n${told}`);
}

/**
 * Return a mock that a test runner's hooks start, reset before each test, and end.
 *
 * `beforeEach` and `afterEach` call their hooks with the name of the test.
 */
export function setup(options, { before, beforeEach, afterEach, after }, realm) {
  const fal = new Fal(options, { keep: true, realm });
  // Runners take what a hook returns for more than it is.
  before(async () => void (await fal.start()), PATIENCE);
  // Not after each: what a test has left is there for hooks that look at it. Where it did not start,
  // that error is enough.
  beforeEach(async (test) => void (fal.running && (await fal.begin(test))));
  afterEach(async (test) => void (await fal.judge(test)));
  after(async () => {
    try {
      await fal.close();
    } finally {
      tell(fal);
    }
  });
  return fal;
}
