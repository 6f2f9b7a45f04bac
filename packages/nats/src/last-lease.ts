/**
 * When a lease was last stored. Running services store leases every second, so that the time since then shows a server
 * that reads and no longer writes: nats-server with a full disk answers every query and confirms no message.
 */
import { LEASE_TTL_MS } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";
import { sleep } from "./sleep.ts";
import { BUCKETS } from "./storage.ts";
import { presentStream } from "./stream-state.ts";

/** Time without a stored lease that no election, restart or stall explains, ms. */
const SILENCE_MS = 3 * LEASE_TTL_MS;
/** Longest wait for the first lease of services that have just begun, ms. */
const FIRST_LEASE_MS = LEASE_TTL_MS;
const LOOK_INTERVAL_MS = 500;

/**
 * Returns the time since a lease was last stored, ms, by the clock of the server, when it is too long for services that
 * run; otherwise undefined. Looks again for some seconds before it says so.
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

/** Undefined when the bucket is absent or empty, or the server states no time. */
async function leaseAge(bus: Bus): Promise<number | undefined> {
  const info = await presentStream(await streamManagerOf(bus), `KV_${BUCKETS.leases.name}`);
  if (info === undefined || info.state.messages === 0) return undefined;
  const ageMs = Date.parse(String((info as { readonly ts?: string }).ts)) - Date.parse(info.state.last_ts);
  return Number.isFinite(ageMs) ? ageMs : undefined;
}
