const { setupFal } = require("falkit/jest");

const { checks } = require("../checks.cjs");

const fal = setupFal({ timing: "instant" });

let left;
afterEach(async () => void (left = await fal.jobs.list()));

for (const [name, check] of Object.entries(checks)) test(name, () => check(fal));

test("what the mock answers is of this realm", async () => {
  expect(await fal.jobs.list()).toStrictEqual([]);
  expect(await fal.clock.now()).toBeInstanceOf(Object);
  // What the test before has left was there for hooks after it.
  expect(left).toHaveLength(1);
});
