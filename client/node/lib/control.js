// The control API of a running mock (docs/control.md), over a connection that is kept.

import http from "node:http";

import { FalkitError } from "./errors.js";

// As it is now: what mocks it later has to do with others' requests, not with these.
const { Agent, request } = http;

// Milliseconds beyond those that a request asks the mock to wait.
const PATIENCE = 30_000;

export class Control {
  #agent = new Agent({ keepAlive: true });
  #key;
  #gone;
  #parse;
  #token;
  #url;

  /** `key` says which key's mock is meant, where each has one of its own (`--tenants`). */
  constructor({ url, key, token, gone = () => "", parse = JSON.parse }) {
    this.#url = url;
    this.#key = key;
    this.#token = token;
    this.#gone = gone;
    // Of the realm whose objects the answers shall be.
    this.#parse = parse;
  }

  get = (path, query) => this.#ask("GET", path, { query });
  post = (path, body = {}, query) => this.#ask("POST", path, { body, query });
  put = (path, body = {}) => this.#ask("PUT", path, { body });
  delete = (path) => this.#ask("DELETE", path, {});

  close() {
    this.#agent.destroy();
  }

  async #ask(method, path, { query = {}, body }) {
    const url = new URL(`/__falkit${path}`, this.#url);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    }
    const { status, text } = await this.#send(method, url, body, (query.wait ?? 0) * 1000);
    if (status >= 400) {
      let detail = text;
      try {
        detail = JSON.parse(text).detail ?? text;
      } catch {
        // Not the mock's own words, then.
      }
      throw new FalkitError(`falkit: ${method} ${path}: ${detail}`);
    }
    return text ? this.#parse(text) : undefined;
  }

  #send(method, url, body, wait) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(text !== undefined && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      }),
      ...(this.#token && { "x-falkit-token": this.#token }),
      ...(this.#key && { authorization: `Key ${this.#key.split(":")[0]}` }),
    };
    return new Promise((resolve, reject) => {
      const options = { method, headers, agent: this.#agent, timeout: wait + PATIENCE };
      const sent = request(url, options, (reply) => {
        let answer = "";
        reply.setEncoding("utf8").on("data", (piece) => (answer += piece));
        reply.on("end", () => resolve({ status: reply.statusCode, text: answer }));
        reply.on("error", reject);
      });
      sent.on("timeout", () => sent.destroy(new Error("no answer")));
      sent.on("error", (error) => {
        const why = this.#gone() || error.message;
        reject(new FalkitError(`falkit: the mock at ${url.origin} doesn't answer: ${why}`));
      });
      sent.end(text);
    });
  }
}
