// What a test does with a running mock, by the parts of the control API. `control` is called for
// each request, since there is none before the start.

import { FalkitError } from "./errors.js";

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Return seconds: of a number, or of a text such as "90s", "15m", "2h". */
export function seconds(time) {
  if (typeof time === "number") return time;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(time).trim());
  if (match) return Number(match[1]) * UNITS[match[2]];
  throw new FalkitError(
    `falkit: ${JSON.stringify(time)} isn't a time; give seconds, or such as "2h"`,
  );
}

// A job by its id, or by what has one: a job of the mock's, a result of @fal-ai/client.
function idOf(job) {
  const id = typeof job === "string" ? job : (job?.request_id ?? job?.requestId);
  if (typeof id === "string") return encodeURIComponent(id);
  throw new FalkitError("falkit: which job? Give its request_id, or what has one");
}

export const jobs = (control) => ({
  /** Return jobs with all that is known of them, the newest last. */
  async list({ limit = 100, ...filter } = {}) {
    const { jobs } = await control().get("/jobs", { limit, ...filter });
    const whole = jobs.map((job) => control().get(`/jobs/${idOf(job)}`));
    return (await Promise.all(whole)).reverse();
  },
  get: async (job) => control().get(`/jobs/${idOf(job)}`),
  hold: async (job) => control().post(`/jobs/${idOf(job)}/hold`),
  release: async (job, to) => control().post(`/jobs/${idOf(job)}/release`, {}, { to }),
  complete: async (job, output) => control().post(`/jobs/${idOf(job)}/complete`, { output }),
  fail: async (job, fault, parameters) =>
    control().post(
      `/jobs/${idOf(job)}/fail`,
      typeof fault === "string" ? { fault, parameters } : fault,
    ),
});

export const requests = (control) => ({
  /** Return the requests to fal's hosts, in the order of arrival. */
  list: async (filter = {}) => (await control().get("/requests", filter)).requests,

  /** Return the requests once there are so many, or throw after `timeout` seconds. */
  async wait({ count = 1, timeout = 10, ...filter } = {}) {
    const { requests } = await control().get("/requests", { ...filter, count, wait: timeout });
    if (requests.length >= count) return requests;
    const all = (await control().get("/requests", {})).requests;
    const last = all.at(-1);
    const seen = last
      ? `the last of ${all.length} is ${last.method} ${last.host}${last.path}`
      : "none came at all";
    throw new FalkitError(
      `falkit: ${requests.length} of ${count} requests within ${timeout} s; ${seen}`,
    );
  },
});

export const faults = (control) => ({
  /** Add a rule, such as "image_load_error times=2", or a table; it ends with the test. */
  add: async (rule) => control().post("/rules", { rule }),
  list: async () => (await control().get("/rules")).rules,
  remove: async (rule) => control().delete(`/rules/${encodeURIComponent(rule.id ?? rule)}`),
  clear: async () => control().delete("/rules"),
});

export const clock = (control, paused) => ({
  now: async () => control().get("/clock"),
  /** Do all that is due on the way; webhooks included. */
  advance: async (time) => control().post("/clock/advance", { seconds: seconds(time) }),
  set: async (moment) =>
    control().post("/clock/set", { now: moment instanceof Date ? moment.toISOString() : moment }),
  async pause() {
    const now = await control().post("/clock/pause");
    paused(true);
    return now;
  },
  async run() {
    const now = await control().post("/clock/run");
    paused(false);
    return now;
  },
});

export const webhooks = (control) => ({
  /** Return the attempts to deliver webhooks, the newest last. */
  list: async (filter = {}) => (await control().get("/deliveries", query(filter))).deliveries,

  /** Return the deliveries once so many were acknowledged, or throw after `timeout` seconds. */
  async wait({ count = 1, timeout = 10, status = "acknowledged", ...filter } = {}) {
    const asked = query({ ...filter, status });
    const { deliveries } = await control().get("/deliveries", { ...asked, count, wait: timeout });
    if (deliveries.length >= count) return deliveries;
    const all = (await control().get("/deliveries", query(filter))).deliveries;
    const last = all.at(-1);
    const answer = last && (last.error ?? `answered ${last.response?.status_code}`);
    const seen = last
      ? `the last attempt, at ${last.url}: ${last.status}, ${answer}`
      : "none was sent; was webhookUrl given, and has the job ended? With the timing polls it takes looks";
    throw new FalkitError(
      `falkit: ${deliveries.length} of ${count} webhooks ${status} within ${timeout} s; ${seen}`,
    );
  },

  /** Send the webhook of a job that has ended again. */
  resend: async (job, url) => control().post(`/jobs/${idOf(job)}/resend`, { url }),
  /** Send one signed webhook without a job: "completed", "failed", "timed-out", "cancelled" … */
  trigger: async (kind, url, more = {}) =>
    control().post("/webhooks/trigger", { ...more, kind, url }),
});

function query({ job, ...filter }) {
  return job === undefined ? filter : { ...filter, request_id: decodeURIComponent(idOf(job)) };
}
