// Leads this process's connections to fal's names to falkit's gateway, whatever makes them: fetch,
// undici, https, axios, ws and the rest all end up in Socket.connect and tls.connect, above which
// nothing notices. The same names as in the preload of `falkit run`.

import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import tls from "node:tls";

const FAL = /((^|\.)(fal\.ai|fal\.run|fal\.media|falrun\.com)|^router\.huggingface\.co)\.?$/i;
const HERE = /^(localhost|.*\.localhost|127(\.\d+){3}|0\.0\.0\.0|::1?|::ffff:127(\.\d+){3})\.?$/i;

const NAMES = ["fal.ai", "fal.run", "fal.media", "falrun.com", "router.huggingface.co"];
const PROXIES = ["http_proxy", "https_proxy", "all_proxy"];

// The newest counts.
const leads = [];
let installed = false;

/**
 * Lead connections to fal's names to a gateway until the returned function is called.
 *
 * `ca` is the certificate of falkit's authority, as PEM; fal's names trust no other. Where `egress`
 * is "block", other hosts but this machine are refused. After the last gateway is gone fal's names
 * are refused: a call that comes late must not reach the real fal.
 */
export function lead({ gateway, ca, egress }) {
  install();
  const { hostname, port } = new URL(gateway);
  const host = hostname.replace(/^\[|\]$/g, "");
  const one = { host, port: Number(port), ca, blocked: egress === "block", sockets: new Set() };
  // Pools keep connections open by fal's names, which are another gateway's from now on.
  const drop = (each) => each?.sockets.forEach((socket) => socket.destroy());
  drop(leads.at(-1));
  leads.push(one);
  return () => {
    const at = leads.indexOf(one);
    if (at < 0) return;
    leads.splice(at, 1);
    drop(one);
  };
}

/**
 * Have libraries ask no proxy for fal's names, if an environment has one: it would lead out.
 *
 * That stays, as does what refuses calls that come late.
 */
export function passProxies(env) {
  if (![...PROXIES, ...PROXIES.map((name) => name.toUpperCase())].some((name) => env[name])) return;
  const before = (env.no_proxy ?? env.NO_PROXY ?? "").split(",").filter(Boolean);
  const names = NAMES.flatMap((name) => [name, `.${name}`]);
  env.NO_PROXY = env.no_proxy = [...new Set([...before, ...names])].join();
  // Which has read the environment at Node's start.
  const { options } = https.globalAgent;
  if (options.proxyEnv) https.globalAgent = new https.Agent({ ...options, proxyEnv: env });
}

function install() {
  if (installed) return;
  installed = true;
  passProxies(process.env);
  const connect = net.Socket.prototype.connect;
  const secure = tls.connect;

  net.Socket.prototype.connect = function (...args) {
    // Node's own callers hand over an array that it has marked, others what net documents.
    const [first, second] = Array.isArray(args[0]) ? args[0] : args;
    const options = Object(first) === first ? first : { port: first, host: second };
    const name = typeof options.host === "string" && !options.path ? options.host : "";
    const one = leads.at(-1);
    if (!name || HERE.test(name)) return connect.apply(this, args);
    if (!FAL.test(name)) {
      return one?.blocked
        ? refuse(this, name, options.port, 'egress is "block"')
        : connect.apply(this, args);
    }
    if (!one) return refuse(this, name, options.port, "the mock has ended");
    const callback = [...args, second].find((each) => typeof each === "function");
    const led = { ...options, host: one.host, port: one.port, autoSelectFamily: false };
    delete led.lookup;
    delete led.family;
    delete led.localAddress;
    one.sockets.add(this);
    this.once("close", () => one.sockets.delete(this));
    return connect.call(this, led, callback);
  };

  tls.connect = function (...args) {
    const at = args.findIndex((each) => Object(each) === each && typeof each !== "function");
    const [port, host] = args;
    const given = {
      ...(typeof port === "number" && { port }),
      ...(typeof host === "string" && { host }),
    };
    const options = { ...given, ...args[at] };
    const ca = leads.at(-1)?.ca;
    if (!ca || !FAL.test(options.servername || options.host || "")) return secure.apply(this, args);
    const callback = args.find((each) => typeof each === "function");
    return secure.call(this, { ...options, ca, secureContext: undefined }, callback);
  };

  // What was imported by name, too.
  syncBuiltinESMExports();
}

function refuse(socket, name, port, why) {
  const error = new Error(`falkit let nothing out to ${name}:${port}: ${why}`);
  Object.assign(error, { code: "ECONNREFUSED", syscall: "connect", address: name });
  socket.connecting = true;
  process.nextTick(() => socket.destroy(error));
  return socket;
}
