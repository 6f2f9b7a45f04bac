/**
 * Waits at the start of a process until its NATS servers, which may also be starting, are ready: a single server
 * reloads its streams, a cluster elects its leaders.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Fault, messageOf } from "@bioxen/kernel";

/** Longest wait for JetStream, ms: longer than the longest election of a cluster, 9 s. */
const READY_DEADLINE_MS = 15_000;
const RETRY_WAIT_MS = 200;

/**
 * Calls `open` until it succeeds, and returns its result. Throws a `Fault` from `open` at once. After any other error
 * it tries again until the deadline. Then it throws `Fault` UNAVAILABLE (retryable), whose message begins with `what`.
 */
export async function onceReady<T>(what: string, open: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    try {
      return await open();
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      if (Date.now() + RETRY_WAIT_MS >= deadline) {
        throw new Fault("UNAVAILABLE", `${what}: ${messageOf(cause)}`, { retryable: true, cause });
      }
      await sleep(RETRY_WAIT_MS);
    }
  }
}
