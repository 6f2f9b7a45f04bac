/**
 * `@bioxen/nats/client`: the part that callers need, in Node and in browsers: the connection, the readable log, durable
 * commands.
 *
 * It excludes the modules that only services need (services protocol, buckets, reading thread), and with them the
 * packages that only services install.
 */

/** Finds the server when the program names none: see find-server.ts. Always undefined in a browser. */
export { findServer } from "#platform";
export * from "./bus.ts";
export { openExistingLog } from "./existing-log.ts";
export * from "./jobs.ts";
export { sleep } from "./sleep.ts";
