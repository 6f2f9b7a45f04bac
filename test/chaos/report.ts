/**
 * The printed figures of a run, and the time from the end of each fault to the next answer.
 */
import { FAULTS, type FaultRecord } from "./faults.ts";
import type { Intent } from "./load.ts";

/** Longest time from the end of a fault to the first answer to a later command, ms. */
export const RECOVERY_BOUND_MS = 30_000;

export interface Recovery {
  readonly fault: FaultRecord;
  /** From the fault's end to the first answer to a command sent after it; undefined when the load ended before one. */
  readonly tookMs: number | undefined;
}

export function recoveries(faults: readonly FaultRecord[], intents: readonly Intent[]): Recovery[] {
  const answered = intents.filter(({ outcome }) => outcome !== "unanswered");
  return faults.map((fault) => {
    let first = Number.POSITIVE_INFINITY;
    for (const { sentAtMs, answeredAtMs } of answered) {
      if (sentAtMs >= fault.overAtMs && answeredAtMs < first) first = answeredAtMs;
    }
    return { fault, tookMs: Number.isFinite(first) ? first - fault.overAtMs : undefined };
  });
}

/** Returns a problem for every recovery beyond the bound. */
export function tooSlow(all: readonly Recovery[]): string[] {
  return all.flatMap(({ fault, tookMs }) =>
    tookMs !== undefined && tookMs > RECOVERY_BOUND_MS
      ? [`slow: the recovery from ${fault.kind} (${fault.victim}) took ${Math.round(tookMs)} ms`]
      : [],
  );
}

export function faultLine(faults: readonly FaultRecord[]): string {
  const count = (kind: string) => faults.filter((fault) => fault.kind === kind).length;
  return FAULTS.map((kind) => `${kind} ${count(kind)}`).join(", ");
}

export function outcomeLine(intents: readonly Intent[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of intents) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts]
    .sort()
    .map(([outcome, count]) => `${outcome} ${count}`)
    .join(", ");
}

export function latencyLine(intents: readonly Intent[]): string {
  const sorted = intents.map((one) => one.answeredAtMs - one.sentAtMs).sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return value === undefined ? "-" : `${value.toFixed(1)} ms`;
  };
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}, longest ${at(1)}`;
}

export function slowestLine(all: readonly Recovery[]): string {
  const known = all.flatMap(({ fault, tookMs }) => (tookMs === undefined ? [] : [{ fault, tookMs }]));
  const slowest = known.sort((a, b) => b.tookMs - a.tookMs)[0];
  return slowest === undefined
    ? "no fault to recover from"
    : `${Math.round(slowest.tookMs)} ms after ${slowest.fault.kind} (${slowest.fault.victim})`;
}
