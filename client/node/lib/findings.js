// What tests did that would fail, cost or leak at fal, as the mock has it: judged, and told by test.

const ORDER = ["error", "warning", "note"];
const LEVELS = ["error", "warning", "never"];
// How many tests and findings of one are told.
const TESTS = 10;
const EACH = 5;

const some = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const nameOf = ({ fingerprint, test }) => `${fingerprint} ${test}`;
const rank = ({ severity }) => ORDER.indexOf(severity);
const worst = ([, found]) => Math.min(...found.map(rank));

const timesOf = (findings) => new Map(findings.map((one) => [nameOf(one), one.times]));
const since = (before, findings) =>
  findings
    .map((one) => ({ ...one, times: one.times - (before.get(nameOf(one)) ?? 0) }))
    .filter(({ times }) => times > 0);

/** Say what is wrong with an option; "" where it can be. */
export function wrongLevel(failOn) {
  if (failOn === undefined || LEVELS.includes(failOn)) return "";
  return `failOn: ${JSON.stringify(failOn)} is none of ${LEVELS.join(", ")}`;
}

function lines(found, explained) {
  const shown = found.slice(0, EACH).flatMap(({ severity, code, subject, seen, times, fix }) => {
    const about = seen.includes(subject) ? "" : `${subject}: `;
    const line = `  ${severity} ${code}: ${about}${seen}${times > 1 ? ` (${times} times)` : ""}`;
    if (explained.has(code)) return [line];
    explained.add(code);
    return [line, `    fix: ${fix}`];
  });
  return found.length > EACH ? [...shown, `  and ${found.length - EACH} more`] : shown;
}

export class Findings {
  #failOn;
  #allow;
  // How often the mock had found what before the test, and at the last look; what is new since the
  // test began; and what was found in tests by now.
  #before = new Map();
  #seen = new Map();
  #new = [];
  #tests = new Map();

  constructor({ failOn = "never", allow = [] }) {
    this.#failOn = failOn;
    this.#allow = new Set([allow].flat());
  }

  /** Take what a mock has found by now for what was there before a test. */
  begin(findings) {
    this.#before = this.#seen = timesOf(findings);
  }

  /** Return what is of the test, of what a mock has found by now. */
  own(findings) {
    return since(this.#before, findings);
  }

  /** Take what a mock has found by now for what was told. */
  goOn(findings) {
    this.#seen = timesOf(findings);
  }

  /** Take what is new of what a mock has found by now. */
  look(findings) {
    for (const { times, ...one } of since(this.#seen, findings)) {
      if (one.severity === "note" || this.#allow.has(one.code)) continue;
      const same = this.#new.find(({ fingerprint }) => fingerprint === one.fingerprint);
      if (same) same.times += times;
      else this.#new.push({ ...one, times });
    }
    this.goOn(findings);
  }

  /** Have what is new be of a test; return what its failure says, or "" where it may pass. */
  judge(test) {
    const found = this.#new.splice(0).sort((one, other) => rank(one) - rank(other));
    if (found.length) this.#tests.set(test, [...(this.#tests.get(test) ?? []), ...found]);
    const most = this.#failOn === "never" ? -1 : LEVELS.indexOf(this.#failOn);
    const failing = found.filter((one) => rank(one) <= most);
    if (!failing.length) return "";
    const level = `failOn: ${JSON.stringify(this.#failOn)}`;
    const told = `falkit: ${some(failing.length, "finding")} that ${level} doesn't let pass`;
    return [told, ...lines(failing, new Set())].join("\n");
  }

  /** Return the tests' findings as text, the worst first; "" where there are none. */
  summary() {
    const tests = [...this.#tests].sort((one, other) => worst(one) - worst(other));
    if (!tests.length) return "";
    const all = tests.flatMap(([, found]) => found);
    const counts = ORDER.map((severity) => [
      all.filter((one) => one.severity === severity).length,
      severity,
    ]);
    const said = counts.filter(([count]) => count).map(([count, word]) => some(count, word));
    const explained = new Set();
    const shown = tests.slice(0, TESTS).flatMap(([test, found]) => [
      ...(test ? [test] : []),
      ...lines(found, explained),
    ]);
    const more = tests.length > TESTS ? [`and ${some(tests.length - TESTS, "more test")}`] : [];
    const head = `falkit: ${said.join(" and ")} in ${some(tests.length, "test")}`;
    return [head, ...shown, ...more, ""].join("\n");
  }
}
