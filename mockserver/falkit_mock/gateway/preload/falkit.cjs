// Loaded by Node programs under `falkit run` (NODE_OPTIONS --require): connections to fal's
// names go to falkit's gateway, whatever makes them. fetch, undici, https, axios, ws and the
// rest all end up in Socket.connect, above which nothing notices: the URL, the certificate's
// name and the streams stay as the program has them.
"use strict";

const gateway = process.env.FALKIT_GATEWAY && new URL(process.env.FALKIT_GATEWAY);

if (gateway) {
  const net = require("node:net");
  const connect = net.Socket.prototype.connect;
  const host = gateway.hostname.replace(/^\[|\]$/g, "");
  const port = Number(gateway.port);
  const blocked = process.env.FALKIT_EGRESS === "block";
  // The last one hands on to fal what is below /fal-ai/; the gateway passes on the rest.
  const fal = /((^|\.)(fal\.ai|fal\.run|fal\.media|falrun\.com)|^router\.huggingface\.co)\.?$/i;
  const here = /^(localhost|.*\.localhost|127(\.\d+){3}|0\.0\.0\.0|::1?|::ffff:127(\.\d+){3})\.?$/i;

  // Have the gateway's journal know of a connection that does not go through it.
  const note = (name, at) => {
    const socket = new net.Socket();
    const target = name.includes(":") ? `[${name}]:${at}` : `${name}:${at}`;
    socket.on("error", () => {}).resume();
    connect.call(socket, { host, port });
    socket.end(`CONNECT ${target} HTTP/1.1\r\nx-falkit-note: 1\r\n\r\n`);
    return socket;
  };

  net.Socket.prototype.connect = function (...args) {
    // Node's own callers hand over an array that it has marked, others what net documents.
    const [first, second] = Array.isArray(args[0]) ? args[0] : args;
    const options = Object(first) === first ? first : { port: first, host: second };
    const name = typeof options.host === "string" && !options.path ? options.host : "";
    if (!name || here.test(name) || name.toLowerCase() === host) return connect.apply(this, args);
    if (fal.test(name)) {
      const callback = [...args, second].find((one) => typeof one === "function");
      const led = { ...options, host, port, autoSelectFamily: false };
      delete led.lookup;
      delete led.family;
      delete led.localAddress;
      return connect.call(this, led, callback);
    }
    const noted = note(name, options.port);
    if (!blocked) {
      noted.unref();
      return connect.apply(this, args);
    }
    const error = new Error(`falkit let nothing out to ${name}:${options.port} (--egress block)`);
    Object.assign(error, { code: "ECONNREFUSED", syscall: "connect", address: name });
    this.connecting = true;
    // Once it is in the journal, since the error may well be the program's end.
    noted.on("close", () => this.destroy(error));
    return this;
  };
}
