/// <reference lib="esnext.disposable" />

/** Something of falkit's own that can't work; the message says what to do. */
export class FalkitError extends Error {}

/** Seconds, or a text such as "90s", "15m", "2h". */
export type Time = number | string;

/** A rule: a line such as "image_load_error times=2", or a table with the same names. */
export type Rule = string | { [word: string]: unknown };

/** A job by its id, or by whatever has it: a job of the mock's, a result of `@fal-ai/client`. */
export type JobLike = string | { request_id: string } | { requestId: string };

/**
 * What a mock is started with. All but the last seven are options of `falkit serve`.
 */
export interface FalOptions {
  /** How jobs take their time. "polls", the default here, moves on with each look. */
  timing?: "instant" | "polls" | "held" | "realistic" | (string & {});
  /** Ids, logs, file names and media follow from it. */
  seed?: number;
  /** Files and folders with fal's documents of other endpoints. */
  documents?: string | string[];
  /** Go by the documents that fal had in this month or on this day. */
  asOf?: string;
  /** What a call of an endpoint without a document gets. */
  unknownEndpoints?: "refuse" | "guess";
  /** Outputs of yours: "fal-ai/flux/dev=fixtures/cat.json". */
  outputs?: string | string[];
  /** What happens to calls of hosts that aren't fal's. */
  egress?: "allow" | "block";
  /** Whether time passes by itself, or is paused until the test moves it. */
  clock?: "real" | "manual";
  /** ISO 8601. */
  clockStart?: string;
  /** US dollars: closing it throws where calls would have cost more; no call is refused. */
  budget?: number | string;
  /** US dollars at which the log (`log: true`) says so, once. */
  alertAt?: number | string | (number | string)[];
  /** Requests of a key in progress at once, as at fal two; 0 for any number. */
  concurrency?: number;
  /** Jobs of an endpoint that run at once. */
  runners?: number;
  /** Keys that are accepted; any, without. */
  apiKeys?: string | string[];
  resultTtl?: Time;
  /** Media URLs such as fal's own, the default here, or ones that other programs can open. */
  mediaHost?: "real" | "auto";
  allowPrivateInputs?: boolean;
  assume?: string | string[];
  webhookAllow?: string | string[];
  webhookSchedule?: "two-hours" | "until-expiry" | "observed";
  webhookTimestamps?: "machine" | "mock";
  probeWebhooks?: boolean;
  /** Bytes. */
  maxBody?: number;
  maxHead?: number;
  maxKept?: number;
  headTimeout?: Time;
  bodyTimeout?: Time;
  idleTimeout?: Time;
  requestLog?: number;
  /** A falkit.toml, if not the nearest. */
  config?: string;

  /** What goes wrong in every test. */
  faults?: Rule | Rule[];
  /** The key that calls are made with. */
  key?: string;
  /** A mock that runs already, in place of one of this process. */
  url?: string;
  /** The command of the Python package, in place of FALKIT_COMMAND, `falkit` and `uvx falkit`. */
  command?: string | string[];
  /** Whether the mock's own log is written to stderr. */
  log?: boolean;
  /** From which severity on a finding fails the test that made it; "never" by default. */
  failOn?: "error" | "warning" | "never";
  /** Codes of findings that tests ask for themselves, such as "refusal-retried". */
  allow?: string | string[];
}

export type Status = "IN_QUEUE" | "IN_PROGRESS" | "COMPLETED";

/** A job, as the control API has it; moments are unix seconds on the mock's clock. */
export interface Job {
  request_id: string;
  endpoint_id: string;
  app: string;
  entry: "queue" | "run";
  /** The key's id, which stands before its colon. */
  key: string;
  /** The id of the test in which it was submitted; null where nobody said. */
  test: string | null;
  status: Status;
  status_code: number | null;
  cancelled: boolean;
  created: number;
  starts: number | null;
  ends: number | null;
  /** As it was sent. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  input: any;
  /** What it answers or will answer. */
  outcome: {
    status_code: number;
    headers: Record<string, string>;
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    body: any;
    error: string | null;
    error_type: string | null;
  } | null;
  /** Those that rules chose for it, by phase. */
  faults: Record<string, unknown>;
  /** US dollars, as text; null for what is not billed. */
  cost: string | null;
  [more: string]: unknown;
}

/** A request to one of fal's hosts. */
export interface Request {
  number: number;
  time: number;
  method: string;
  host: string;
  path: string;
  key: string;
  status: number | null;
  request_id: string | null;
  /** How to fix what was wrong with it. */
  hint: string | null;
  faults: string[];
  ms: number | null;
}

/** One attempt to deliver a webhook. */
export interface Delivery {
  id: string;
  request_id: string;
  url: string;
  cause: "job" | "resend" | "trigger" | "probe";
  number: number;
  status: "acknowledged" | "retry" | "failed" | "refused" | "lost";
  error: string | null;
  faults: string[];
  sent: number;
  seconds: number;
  next: number | null;
  request: { headers: Record<string, string>; body: string };
  response: { status_code: number; headers: Record<string, string>; body: string } | null;
}

export interface RuleState {
  id: string;
  text: string;
  rule: Record<string, unknown>;
  matched: number;
  applied: number;
}

export interface Moment {
  now: number;
  iso: string;
  running: boolean;
  /** Of a jump: how many due events were met. */
  events?: number;
}

export interface Billing {
  currency: "USD";
  jobs: number;
  billed: number;
  /** Jobs whose price isn't known. */
  unpriced: number;
  /** US dollars, as text. */
  cost: string;
  endpoints: {
    endpoint_id: string;
    jobs: number;
    billed: number;
    unpriced: number;
    cost: string;
  }[];
  keys: { key: string; jobs: number; billed: number; unpriced: number; cost: string }[];
}

export interface Spend extends Billing {
  /** US dollars, as text; null where there is none. */
  budget: string | null;
}

/** What would fail, cost or leak at fal; `falkit explain CODE` says more. */
export interface Finding {
  code: string;
  severity: "error" | "warning" | "note";
  title: string;
  /** What fal does. */
  fal: string;
  fix: string;
  why: string;
  /** A page of falkit's documentation, with its section. */
  see: string;
  /** What was seen, in one line. */
  seen: string;
  /** An endpoint's id, a host, or a receiver's URL. */
  subject: string;
  request_id: string | null;
  key: string;
  /** Unix seconds on the mock's clock. */
  time: number | null;
  /** The program, as it names itself. */
  client: string;
  times: number;
  /** The same for the same mistake in another run. */
  fingerprint: string;
}

export interface JobFilter {
  endpoint?: string;
  status?: Status;
  key?: string;
  /** A test's id, or a glob of it. */
  test?: string;
  limit?: number;
}

export interface RequestFilter {
  method?: string;
  host?: string;
  path?: string;
  status?: number;
  key?: string;
  request_id?: string;
  since?: number;
  limit?: number;
}

export interface DeliveryFilter {
  job?: JobLike;
  url?: string;
  status?: Delivery["status"];
  limit?: number;
}

/** How many to wait for, and for how many seconds of real time, 60 at most. */
export interface Waiting {
  count?: number;
  timeout?: number;
}

/** A mock for tests. All but `start` and `close` needs it running. */
export class Fal implements AsyncDisposable {
  constructor(options?: FalOptions);
  readonly running: boolean;
  /** The mock's URL. */
  readonly url: string;
  /** The URL of its gateway, a proxy at which fal's own names end. */
  readonly gateway: string;
  /** The key that calls are made with: FAL_KEY, as long as it runs. */
  readonly key: string;
  /** Variables for Node programs that a test starts; those of this process have them already. */
  readonly environ: Record<string, string>;
  /** For `fal.config(…)` of `@fal-ai/client` where nothing is led, as in a web page. */
  readonly config: { credentials: string; proxyUrl: { url: string; when: "always" } };

  readonly jobs: {
    /** Return jobs with all that is known of them, the newest last. */
    list(filter?: JobFilter): Promise<Job[]>;
    get(job: JobLike): Promise<Job>;
    /** Hold a job where it is until it is released. */
    hold(job: JobLike): Promise<Job>;
    release(job: JobLike, to?: "IN_PROGRESS" | "COMPLETED"): Promise<Job>;
    /** End a job now, with its own output or one of yours. */
    complete(job: JobLike, output?: object): Promise<Job>;
    /** End a job now, with a fault by its name or a whole reply. */
    fail(
      job: JobLike,
      fault: string | { status_code: number; body?: unknown; headers?: Record<string, string> },
      parameters?: Record<string, unknown>,
    ): Promise<Job>;
  };

  readonly requests: {
    list(filter?: RequestFilter): Promise<Request[]>;
    /** Return the requests once there are so many; throw after the time. */
    wait(filter?: RequestFilter & Waiting): Promise<Request[]>;
  };

  readonly faults: {
    /** Have something go wrong until the test ends. */
    add(rule: Rule): Promise<RuleState>;
    list(): Promise<RuleState[]>;
    remove(rule: string | { id: string }): Promise<unknown>;
    clear(): Promise<unknown>;
  };

  readonly webhooks: {
    list(filter?: DeliveryFilter): Promise<Delivery[]>;
    /** Return the deliveries once so many were acknowledged; throw after the time. */
    wait(filter?: DeliveryFilter & Waiting): Promise<Delivery[]>;
    /** Send the webhook of a job that has ended again. */
    resend(job: JobLike, url?: string): Promise<unknown>;
    /** Send one signed webhook without a job. */
    trigger(
      kind:
        | "completed"
        | "failed"
        | "timed-out"
        | "cancelled"
        | "unserialisable"
        | "failed-unserialisable",
      url: string,
      more?: Record<string, unknown>,
    ): Promise<unknown>;
  };

  readonly clock: {
    now(): Promise<Moment>;
    /** Go on by a time; return once all that was due is done, webhooks included. */
    advance(time: Time): Promise<Moment>;
    set(moment: number | string | Date): Promise<Moment>;
    pause(): Promise<Moment>;
    run(): Promise<Moment>;
  };

  /** Have an endpoint answer an output of yours, until the test ends. */
  pin(endpoint: string, output: object, matching?: Record<string, unknown>): Promise<RuleState>;
  /** Return what the jobs that there are have cost, thus those since the last reset. */
  billing(): Promise<Billing>;
  /** Return what jobs have cost since the mock's start; a reset gives nothing back. */
  spend(): Promise<Spend>;
  /** Return what would fail, cost or leak at fal, of all since the test began, the worst first. */
  findings(): Promise<Finding[]>;
  /** Start it, and lead this process's calls to fal to it. */
  start(): Promise<this>;
  /** Forget jobs, requests, deliveries and what a test had go wrong. */
  reset(): Promise<void>;
  /**
   * End it. Calls to fal that come later are refused: none reaches the real one.
   *
   * Throw where calls would have cost more than the budget, or where `failOn` doesn't let pass
   * what no hook of a test runner has taken.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Start a mock and lead this process to it; it ends with `close()`, or `await using`. */
export function startFal(options?: FalOptions): Promise<Fal>;
