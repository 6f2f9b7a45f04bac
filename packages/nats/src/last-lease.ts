/**
 * Finds a server that still reads but no longer writes: nats-server with a full disk answers every query and confirms
 * no message. Running services store leases every second. A long time since the last stored lease shows such a server.
 */
import { LEASE_TTL_MS } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { sleep } from "./sleep.ts";
import { BUCKETS } from "./storage.ts";
import { presentStream } from "./stream-state.ts";

/** Time without a stored lease that shows a failed server, ms. Elections, restarts and stalls are shorter. */
const SILENCE_MS = 3 * LEASE_TTL_MS;
/** Longest wait for the first lease of services that have just started, ms. */
const FIRST_LEASE_MS = LEASE_TTL_MS;
const LOOK_INTERVAL_MS = 500;

/**
 * Returns the time since a lease was last stored, by the clock of the server, ms. Returns undefined when that time is
 * normal for running services. Repeats the check for some seconds before it returns a time.
 */
export async function leaseSilence(bus: Bus): Promise<number | undefined> {
  const deadline = performance.now() + FIRST_LEASE_MS;
  for (;;) {
    const ageMs = await leaseAge(bus);
    if (ageMs === undefined || ageMs < SILENCE_MS) return undefined;
    if (performance.now() >= deadline) return ageMs;
    await sleep(LOOK_INTERVAL_MS);
  }
}

/** Returns the age of the last stored lease, ms; undefined without a lease, or when the server states no time. */
async function leaseAge(bus: Bus): Promise<number | undefined> {
  const info = await presentStream(await streamManagerOf(bus), `KV_${BUCKETS.leases.name}`);
  if (info === undefined || info.state.messages === 0) return undefined;
  const ageMs = Date.parse(String((info as { readonly ts?: string }).ts)) - Date.parse(info.state.last_ts);
  return Number.isFinite(ageMs) ? ageMs : undefined;
}
