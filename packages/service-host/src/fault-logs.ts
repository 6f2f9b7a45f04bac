/**
 * What a service logs about requests that it could not handle.
 */
import { Fault, type Logger, messageOf } from "@bioxen/kernel";

/** Shortest time between two log lines about requests that were dropped because of their reply subject, ms. */
const FOREIGN_REPLY_LOG_MS = 10_000;
/** Returns a function that logs a failed handler: a fault as a warning, any other exception as an error. */
export function faultLogger(logger: Logger): (subject: string, thrown: unknown, principal?: string) => void {
  return (subject, thrown, principal) => {
    const request = principal === undefined ? { subject } : { subject, principal };
    if (thrown instanceof Fault) {
      logger.warn({ ...request, code: thrown.code }, thrown.message);
      return;
    }
    logger.error({ ...request, err: thrown }, `a handler failed: ${messageOf(thrown)}`);
  };
}

/**
 * Returns a function that logs requests that were dropped because of their reply subject. It logs the first request at
 * once, and then at most one line per {@link FOREIGN_REPLY_LOG_MS}, because a client can send any number of them.
 */
export function foreignReplyLogger(logger: Logger): (subject: string, reply: string) => void {
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  let dropped = 0;
  return (subject, reply) => {
    dropped += 1;
    const nowMs = performance.now();
    if (nowMs - loggedAtMs < FOREIGN_REPLY_LOG_MS) return;
    loggedAtMs = nowMs;
    logger.warn({ subject, reply, dropped }, "dropping requests whose reply subject is no inbox");
    dropped = 0;
  };
}
