/**
 * Replaces the key of a running service or agent. The server accepts both keys, until each connection of the service has logged in
 * with the new one: a service reads its credentials file again, and renews its connections when it has changed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Grace } from "@bioxen/auth";
import { type ConnectionSettings, loginsOf, reloadServer } from "@bioxen/nats";

/**
 * Longest time with two keys, ms; then the server cuts what still has the former one. It is below the time for which
 * another change of the keys waits (key-lock.ts).
 */
const GRACE_MS = 20_000;
/** Longest wait for a service that the server has cut, ms. */
const RETURN_MS = 10_000;
const LOOK_INTERVAL_MS = 250;

/**
 * Gives the service its new key, waits until it uses it, and has the server refuse the former one. Returns false when the service was
 * connected before, and does not log in with the new key.
 */
export async function renewService(asSystem: ConnectionSettings, grace: Grace): Promise<boolean> {
  const { account } = grace;
  const wasConnected = (await loginsOf(asSystem, account)).length > 0;
  const usesFormer = async () => (await loginsOf(asSystem, account)).includes(grace.formerPublicKey);
  await grace.use();
  await within(GRACE_MS, async () => !(await usesFormer()));
  await grace.end();
  await reloadServer(asSystem);
  return !wasConnected || within(RETURN_MS, async () => (await loginsOf(asSystem, account)).length > 0);
}

/** Returns true once `isDone` does; false when that takes longer than `ms`. */
async function within(ms: number, isDone: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (!(await isDone())) {
    if (performance.now() > deadline) return false;
    await sleep(LOOK_INTERVAL_MS);
  }
  return true;
}
