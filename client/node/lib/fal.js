// A mock for tests: its server, what leads this process to it, and what a test does with it.

import { readFileSync } from "node:fs";

import { startServer } from "./command.js";
import { Control } from "./control.js";
import { FalkitError } from "./errors.js";
import { Findings, wrongLevel } from "./findings.js";
import { lead, passProxies } from "./lead.js";
import { clock, faults, jobs, requests, webhooks } from "./parts.js";

/** The variable in which a global set-up tells workers of the mock that they share. */
export const SHARED = "FALKIT_SHARED";
const DEFAULTS = { timing: "polls", mediaHost: "real" };
const PRELOAD = new URL("./preload.js", import.meta.url).href;
const KEY = "falkit:falkit";
// Where workers share a mock, each has a key of its own, which has a mock of its own in there.
const { VITEST_POOL_ID, JEST_WORKER_ID, NODE_TEST_WORKER_ID } = process.env;
const WORKER = VITEST_POOL_ID ?? JEST_WORKER_ID ?? NODE_TEST_WORKER_ID ?? process.pid;
const WORKERS_KEY = `worker-${WORKER}:falkit`;
// Servers that the files which one process runs use one after another, by their options.
const kept = new Map();

/** Return those of a test's options that a server is started with, as they were given. */
function ofServer({ allow, failOn, faults, key, seed, url, ...options }) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Return the options of a server, with what they are by default. */
export const serverOptions = (options) => ({ ...DEFAULTS, ...ofServer(options) });

export class Fal {
  #options;
  #realm;
  #keep;
  #running;
  #paused = false;
  #findings;

  /**
   * `keep` leaves the server for the next one with these options in this process. `realm` has the
   * environment to set and the JSON parser to use, where tests have others than this module.
   */
  constructor(options = {}, { keep = false, realm = {} } = {}) {
    this.#options = options;
    this.#keep = keep;
    this.#realm = { parse: JSON.parse, env: process.env, ...realm };
    this.#findings = new Findings(options);
    const control = () => this.#started.control;
    this.jobs = jobs(control);
    this.requests = requests(control);
    this.faults = faults(control);
    this.webhooks = webhooks(control);
    this.clock = clock(control, (paused) => (this.#paused = paused));
  }

  /** Start it, and lead this process's calls to fal to it. */
  async start() {
    if (this.#running) return this;
    const wrong = wrongLevel(this.#options.failOn);
    if (wrong) throw new FalkitError(`falkit: ${wrong}`);
    const server = await this.#server();
    const { key = server.key } = this.#options;
    const token = process.env.FALKIT_CONTROL_TOKEN;
    const { parse, env } = this.#realm;
    const control = new Control({ ...server, key, token, parse });
    const environ = environOf(server, key);
    const { gateway } = server;
    const unlead = lead({ gateway, ca: certificate(server), egress: environ.FALKIT_EGRESS });
    passProxies(env);
    const restore = [...new Set([process.env, env])].map((each) => set(each, environ));
    this.#running = { server, key, control, environ, undo: [unlead, ...restore] };
    try {
      this.#findings.begin(await this.#forget());
    } catch (error) {
      await this.close();
      throw error;
    }
    return this;
  }

  async #server() {
    const { url, seed } = this.#options;
    if (url !== undefined) return attached(url, this.#options);
    const shared = process.env[SHARED] && JSON.parse(process.env[SHARED]);
    if (shared && within(ofServer(this.#options), shared.options)) {
      return { ...shared, key: WORKERS_KEY };
    }
    const own = { ...serverOptions(this.#options), seed };
    const name = JSON.stringify(own);
    let server = this.#keep ? kept.get(name) : undefined;
    if (!server || server.gone()) {
      const key = [own.apiKeys ?? KEY].flat()[0];
      server = { ...(await startServer(own)), key, egress: own.egress };
      if (this.#keep) kept.set(name, server);
    }
    return server;
  }

  get running() {
    return this.#running !== undefined;
  }

  get #started() {
    if (this.#running) return this.#running;
    throw new FalkitError(
      "falkit: the mock isn't running; use it within tests and hooks, or await start() before",
    );
  }

  /** The mock's URL. */
  get url() {
    return this.#started.server.url;
  }

  /** The URL of its gateway, a proxy at which fal's own names end. */
  get gateway() {
    return this.#started.server.gateway;
  }

  /** The key that calls to fal are made with: FAL_KEY, as long as it runs. */
  get key() {
    return this.#started.key;
  }

  /** Variables for Node programs that a test starts; those of this process have them already. */
  get environ() {
    return { ...this.#started.environ };
  }

  /** For `fal.config(…)` of @fal-ai/client where nothing is led, as in a web page. */
  get config() {
    const { key, server } = this.#started;
    return {
      credentials: key,
      proxyUrl: { url: `${server.url}/api/fal/proxy`, when: "always" },
    };
  }

  /** Have an endpoint answer an output of yours; `matching` has the words of rules. */
  pin(endpoint, output, matching = {}) {
    return this.faults.add({ ...matching, endpoint, output });
  }

  /** Return what the jobs that there are have cost, thus those since the last reset. */
  billing() {
    return this.#started.control.get("/billing");
  }

  /** Return what jobs have cost since the mock's start; a reset gives nothing back. */
  spend() {
    return this.#started.control.get("/spend");
  }

  /** Return what would fail, cost or leak at fal, of all since the test began, the worst first. */
  async findings() {
    return this.#findings.own(await found(this.#started));
  }

  /** Forget all, for a test that begins. */
  async begin(test) {
    this.#findings.look(await found(this.#started));
    this.#findings.begin(await this.#forget());
    await this.#started.control.put("/test", { test: test.slice(0, 1000) });
  }

  /** Take a test's findings at its end; throw where `failOn` doesn't let them pass. */
  async judge(test) {
    const failed = this.#running ? await this.#judged(test, this.#running) : "";
    if (failed) throw new FalkitError(failed);
  }

  async #judged(test, running) {
    this.#findings.look(await found(running));
    return this.#findings.judge(test);
  }

  /** Return what `judge` has taken as text; "" where there is nothing. */
  summary() {
    return this.#findings.summary();
  }

  /** Forget jobs, requests, deliveries and rules; those of `faults` among the options stay. */
  async reset() {
    this.#findings.look(await found(this.#started));
    this.#findings.goOn(await this.#forget());
  }

  // Returns what is found then: of jobs that were left, nothing any more.
  async #forget() {
    const { control } = this.#started;
    const { faults: rules = [], seed } = this.#options;
    await control.post("/reset");
    if (seed !== undefined) await control.put("/seed", { seed });
    for (const rule of [rules].flat()) await this.faults.add(rule);
    if (this.#paused) await this.clock.run();
    return found(this.#started);
  }

  /**
   * End it. Calls to fal that come later are refused: none reaches the real one.
   *
   * Throw where calls would have cost more than the budget, or where `failOn` doesn't let pass
   * what `judge` hasn't taken.
   */
  async close() {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    const { server, control, undo } = running;
    // Where it is gone, the calls themselves have told so.
    const wrong = await this.#judged("", running).catch(() => "");
    const exceeded = this.#options.url === undefined ? await overBudget(server) : "";
    for (const each of undo.reverse()) each();
    control.close();
    if (!this.#keep) await server.stop?.();
    const told = [exceeded, wrong].filter(Boolean).join("\n");
    if (told) throw new FalkitError(told);
  }

  async [Symbol.asyncDispose]() {
    await this.close();
  }
}

// Judged as if nothing came any more.
const found = async ({ control }) => (await control.get("/report", { conclude: true })).findings;

/** Start a mock and lead this process to it; it ends with `close()`, or `await using`. */
export const startFal = (options) => new Fal(options).start();

async function attached(url, options) {
  const { url: _, allow, failOn, key, faults, seed, egress, ...others } = options;
  const [name] = Object.keys(others);
  if (name !== undefined) {
    throw new FalkitError(
      `falkit: ${name} is of a mock that is started, and url names one that runs; give one of them`,
    );
  }
  if (!/^http:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    const good = "give a mock's, such as http://127.0.0.1:4325";
    throw new FalkitError(
      `falkit: url: ${JSON.stringify(url)} doesn't begin with http://; ${good}`,
    );
  }
  // That of the programs that call it already, whose jobs are meant.
  const owner = key ?? process.env.FAL_KEY ?? KEY;
  const control = new Control({ url, key: owner, token: process.env.FALKIT_CONTROL_TOKEN });
  try {
    const gateway = await control.get("/gateway");
    return { url, gateway: gateway.url, ca: gateway.ca, egress, key: owner };
  } finally {
    control.close();
  }
}

// Says by how much calls of all keys would have cost more than the budget, if there is one.
async function overBudget({ url }) {
  const control = new Control({ url, token: process.env.FALKIT_CONTROL_TOKEN });
  try {
    const { cost, budget, endpoints } = await control.get("/spend");
    if (budget === null || Number(cost) <= Number(budget)) return "";
    const dearest = endpoints.slice(0, 3).map((one) => `${one.endpoint_id} $${one.cost}`);
    return `falkit: calls would have cost $${cost}, over the budget of $${budget}: ${dearest.join(", ")}`;
  } catch {
    // It is gone, which the calls themselves have told.
    return "";
  } finally {
    control.close();
  }
}

function certificate({ url, ca }) {
  try {
    return readFileSync(ca, "utf8");
  } catch (error) {
    throw new FalkitError(
      `falkit: the certificate of ${url} can't be read (${error.message}); it has to be a mock of this machine and user`,
    );
  }
}

// The second is read by the AI SDK and by litellm.
const keysOf = (key) => ({ FAL_KEY: key, FAL_API_KEY: key, FAL_AI_API_KEY: key });

/**
 * Give an environment the key before there is a mock, for code that reads it as soon as it is imported.
 *
 * One that it has already stays, unless workers have keys of their own: mocks take any.
 */
export function giveKey(env) {
  if (process.env[SHARED]) Object.assign(env, keysOf(WORKERS_KEY));
  else for (const [name, key] of Object.entries(keysOf(KEY))) env[name] ??= key;
}

/** Return what leads a Node program to a mock, and gives it a key. */
export function environOf({ url, gateway, ca, egress = "allow" }, key = KEY) {
  const before = process.env.NODE_OPTIONS ?? "";
  const option = `--import=${PRELOAD}`;
  return {
    ...keysOf(key),
    FALKIT_BASE_URL: url,
    FALKIT_GATEWAY: gateway,
    FALKIT_CA: ca,
    FALKIT_EGRESS: egress,
    NODE_OPTIONS: before.includes(option) ? before : `${before} ${option}`.trim(),
  };
}

// Returns what sets things back.
function set(env, variables) {
  const before = Object.keys(variables).map((name) => [name, env[name]]);
  Object.assign(env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
  };
}

const within = (given, all) =>
  Object.entries(given).every(
    ([name, value]) => JSON.stringify(value) === JSON.stringify(all[name]),
  );
