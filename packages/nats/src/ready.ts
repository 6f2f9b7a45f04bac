/**
 * Boot against servers that are just coming up: a single one reloads its streams, a cluster chooses its leaders.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Fault, messageOf } from "@bioxen/kernel";

/** JetStream is asked for this long before the service gives up, ms: longer than the longest election of a cluster, 9 s. */
const READY_DEADLINE_MS = 15_000;
const RETRY_WAIT_MS = 200;

/** What `open` gives, tried until it gives it. A `Fault` of `open` is final; throws `Fault` UNAVAILABLE when time is up. */
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
