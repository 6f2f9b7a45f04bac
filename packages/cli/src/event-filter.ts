/**
 * The options that select events of the log, for `bioxen events tail`.
 */
import { EVENT_TYPE_NAMES, isEventTypeName, suggestion } from "@bioxen/contracts";
import { type EventLog, isUnreadable, type LogMessage } from "@bioxen/kernel";
import { InvalidArgumentError } from "commander";

/** Parses one or several names of types, separated by commas: `vm.placed`, `placed`, `ledger`, `bioxen.vm.placed.v1`. */
export function typeOption(text: string, before: readonly string[] = []): string[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !isEventTypeName(name));
  if (unknown === undefined) return [...before, ...names];
  throw new InvalidArgumentError(
    `names no type of event: ${unknown}${suggestion(unknown, EVENT_TYPE_NAMES)}; valid are names such as vm.placed, placed or ledger.`,
  );
}

/** Milliseconds of each unit of an age. */
const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Parses an instant (`2026-11-25T10:00:00Z`) or an age (`90s`, `15m`, `2h`, `1d`). Returns the instant, epoch ms. */
export function sinceOption(text: string): number {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (unit !== undefined) return Date.now() - Number(amount) * UNITS[unit as keyof typeof UNITS];
  const atMs = /^\d{4}-\d{2}-\d{2}(?:$|T)/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(atMs)) return atMs;
  throw new InvalidArgumentError(
    "must be an age such as 90s, 15m, 2h or 1d, or a time such as 2026-11-25T10:00:00Z.",
  );
}

/**
 * Returns the sequence of the first event at or after `sinceMs`, up to `lastSeq` + 1. The log is searched by halves:
 * services stamp events in the order of the log, except for the difference of their clocks, {@link CLOCK_SKEW_MS}.
 */
export async function firstSince(
  log: Pick<EventLog, "messageAt">,
  sinceMs: number,
  lastSeq: number,
): Promise<number> {
  let [low, high] = [1, lastSeq + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const isLater = (await timeAtOrAfter(log, middle, high)) >= sinceMs - CLOCK_SKEW_MS;
    if (isLater) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Largest difference between the clocks of two services for which no event of the given time is left out, ms. */
const CLOCK_SKEW_MS = 60_000;

/** Returns the time of the first readable event from `seq` on and before `end`; infinity when there is none. */
async function timeAtOrAfter(log: Pick<EventLog, "messageAt">, seq: number, end: number): Promise<number> {
  for (let at = seq; at < end; at += 1) {
    const message: LogMessage | undefined = await log.messageAt(at);
    if (message !== undefined && !isUnreadable(message)) return Date.parse(message.envelope.time);
  }
  return Number.POSITIVE_INFINITY;
}
