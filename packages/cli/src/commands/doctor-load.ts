/**
 * What `bioxen doctor` reports about the load of the services: requests in progress, waiting and refused.
 */
import type { InstanceLoad } from "@bioxen/nats";
import type { Finding } from "./finding.ts";

/**
 * A service counts as overloaded when this number of requests, or more, waits in one lane (one of its request queues).
 * The service handles this number of requests in about a second.
 */
const MANY_WAITING = 1_000;

/** Returns one line for each instance that reports its load. */
export function loadFindings(instances: readonly InstanceLoad[]): Finding[] {
  return instances.filter(({ lanes }) => lanes.length > 0).map(findingOf);
}

function findingOf({ name, lanes }: InstanceLoad): Finding {
  const busy = lanes.filter(({ underWay, waiting, refused }) => underWay + waiting > 0 || sumOf(refused) > 0);
  const losses = Math.max(...lanes.map(({ connectionLosses }) => connectionLosses));
  const parts = busy.map(
    ({ lane, underWay, waiting, refused }) =>
      `${lane} ${underWay} under way, ${waiting} waiting, ${sumOf(refused)} refused${reasonsOf(refused)}`,
  );
  if (losses > 0) parts.push(`${losses} connections for requests lost`);
  const found = parts.length === 0 ? "nothing under way, none refused" : parts.join("; ");
  const check = `load of ${name}`;
  if (lanes.every(({ waiting }) => waiting < MANY_WAITING)) return { check, verdict: "ok", found };
  const remedy = "send fewer requests at once, start another instance, or set BIOXEN_CALLER_LIMIT";
  return { check, verdict: "warn", found, remedy };
}

function reasonsOf(refused: Readonly<Record<string, number>>): string {
  const codes = Object.entries(refused).filter(([, count]) => count > 0);
  return codes.length === 0 ? "" : ` (${codes.map(([code, count]) => `${code} ${count}`).join(", ")})`;
}

function sumOf(refused: Readonly<Record<string, number>>): number {
  return Object.values(refused).reduce((sum, count) => sum + count, 0);
}
