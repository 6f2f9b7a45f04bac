/**
 * Repeats a call to JetStream that no server answered.
 *
 * A stream of a cluster has no leader for some seconds after its leader died. A single server answers nothing for some
 * milliseconds while it reads its configuration again, for example when a key is replaced. The client library calls
 * both "jetstream is not enabled" or "no responders".
 */
import { isNoResponders } from "./server-codes.ts";
import { sleep } from "./sleep.ts";

/** Wait between two tries, ms. */
const LEADER_WAIT_MS = 100;
/** Longest time for which a call is tried, ms. An election takes 4 to 9 s, and callers wait 10 s by default. */
const LEADER_DEADLINE_MS = 8_000;

/**
 * Returns the result of `call`, which is repeated while no server answers, at most for {@link LEADER_DEADLINE_MS}. A
 * repeat is safe, because a call that no server answered had no effect. Every other error is thrown at once.
 */
export async function withLeader<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + LEADER_DEADLINE_MS;
  for (;;) {
    try {
      return await call();
    } catch (cause) {
      if (!isNoResponders(cause) || Date.now() + LEADER_WAIT_MS >= deadline) throw cause;
      await sleep(LEADER_WAIT_MS);
    }
  }
}
