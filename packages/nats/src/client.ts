/**
 * `@bioxen/nats/client` is the part of this package that callers need, in Node and in browsers. It has the connection,
 * the readable log and durable commands.
 *
 * It excludes the modules that only services need (services protocol, buckets, reading thread), and with them the
 * packages that only services install.
 */

/** Adds missing settings from the environment (see find-server.ts). In a browser, `findSettings` adds no setting. */
export { findSettings } from "#platform";
export * from "./bus.ts";
export {
  ConnectionRefused,
  type ConnectionSettings,
  ConnectionSettingsError,
  type GivenSettings,
  type TlsSettings,
} from "./connection-settings.ts";
export { openExistingLog } from "./existing-log.ts";
export * from "./feed-log.ts";
export * from "./jobs.ts";
export { nextSample } from "./next-sample.ts";
export { sleep } from "./sleep.ts";
