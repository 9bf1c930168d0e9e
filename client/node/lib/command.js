// Finds falkit's Python command, and starts a server that ends with this process.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { FalkitError } from "./errors.js";

const INSTALL = "install it with `pip install falkit`, or name it in FALKIT_COMMAND";
const SERVE = ["serve", "--port=0", "--gateway", "--gateway-port=0", "--stop-with-stdin"];
// uvx may have to fetch it first.
const PATIENCE = { falkit: 30_000, uvx: 120_000 };
// Milliseconds for a server to end by itself.
const GRACE = 5_000;
// Options that are several in a row, by the names that they have on the command line.
const SPELLED = { apiKeys: "api-key", faults: "fault", outputs: "output", assumptions: "assume" };

/** Return the words of a command: separated by spaces, unless quoted; a backslash is itself. */
export function words(text) {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c);
}

/** Return options of `falkit serve` by their names in JavaScript: `resultTtl: "2h"`, `documents: ["fal"]`. */
export function flags(options) {
  return Object.entries(options).flatMap(([name, value]) => {
    const option = SPELLED[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const values = Array.isArray(value) ? value : [value];
    return values
      .filter((each) => each !== undefined && each !== null && each !== false)
      .map((each) => (each === true ? `--${option}` : `--${option}=${each}`));
  });
}

function commands(given) {
  const named = given ?? process.env.FALKIT_COMMAND;
  return named ? [Array.isArray(named) ? named : words(named)] : [["falkit"], ["uvx", "falkit"]];
}

/**
 * Start a server; return what its first line says, with `stop()`.
 *
 * It ends with this process, however that ends: its stdin is a pipe whose other end is here.
 */
export async function startServer({ command, log = false, ...options }) {
  const tried = commands(command);
  for (const [program, ...rest] of tried) {
    const words = [...rest, ...SERVE, ...(log ? [] : ["--quiet"]), ...flags(options)];
    let child;
    try {
      child = spawn(program, words, {
        stdio: ["pipe", "pipe", log ? "inherit" : "pipe"],
        windowsHide: true,
      });
      await once(child, "spawn");
    } catch (error) {
      if (error.code === "ENOENT") continue;
      throw new FalkitError(`falkit: ${program} can't be started (${error.message}); ${INSTALL}`);
    }
    const patience = program === "uvx" ? PATIENCE.uvx : PATIENCE.falkit;
    return served(child, [program, ...rest].join(" "), patience);
  }
  const names = tried.map((each) => each.join(" ")).join(", ");
  throw new FalkitError(`falkit: the Python command was not found (tried ${names}); ${INSTALL}`);
}

async function served(child, name, patience) {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-4096)));
  child.stdin.on("error", () => {});
  const ended = new Promise((resolve) => child.once("close", resolve));
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, patience)));
  const line = await Promise.race([firstLine(child.stdout), ended.then(() => ""), late]);
  clearTimeout(timer);
  let ready;
  try {
    ready = JSON.parse(line);
  } catch {
    if (line === undefined) said = `nothing within ${patience / 1000} s`;
    child.stdin.end();
    child.kill();
    const why = told(said) || line || ending(child);
    throw new FalkitError(`falkit: \`${name} serve\` did not start: ${why}`);
  }
  child.stdout.resume();
  // Nothing of it keeps this process from its end.
  for (const each of [child, child.stdin, child.stdout, child.stderr]) each?.unref();
  return {
    ...ready,
    /** Why it is gone; empty where it is there. */
    gone: () => ending(child) && (told(said) || ending(child)),
    async stop() {
      child.ref();
      const timer = setTimeout(() => child.kill("SIGKILL"), GRACE);
      child.stdin.end();
      await ended;
      clearTimeout(timer);
    },
  };
}

function ending({ exitCode, signalCode }) {
  if (signalCode !== null) return `ended by ${signalCode}`;
  return exitCode === null ? "" : `exit code ${exitCode}`;
}

// Not by an iterator, which would end the stream with it.
function firstLine(stream) {
  let text = "";
  stream.setEncoding("utf8");
  return new Promise((resolve) => {
    stream.on("data", (piece) => {
      text += piece;
      if (text.includes("\n")) resolve(text.split("\n", 1)[0]);
    });
  });
}

// Of what it wrote, the line that says what is wrong.
function told(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const line = lines.findLast((each) => /^(error|falkit)\b/i.test(each)) ?? lines.at(-1) ?? "";
  return line.replace(/^(error|falkit):\s*/i, "").trim();
}
