import { setTimeout as sleep } from "node:timers/promises";

const POLL_INTERVAL_MS = 10;

/**
 * Polls `look` until it returns a value, and returns that value. Throws an error that names `what` after
 * `withinMs`.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  withinMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(POLL_INTERVAL_MS);
  }
}
