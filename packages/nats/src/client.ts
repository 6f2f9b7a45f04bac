/**
 * `@bioxen/nats/client`: what a caller needs, in Node and in browsers: the connection, the log to read, durable commands.
 *
 * The services' side (the services protocol, buckets, the reading thread) stays out, and with it the packages that only services install.
 */

/** The server to use when none is named: see find-server.ts. Always undefined in a browser. */
export { findServer } from "#platform";
export * from "./bus.ts";
export { openExistingLog } from "./existing-log.ts";
export * from "./jobs.ts";
export { sleep } from "./sleep.ts";
