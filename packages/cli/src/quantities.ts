/**
 * Formats quantities for people: simulated time, doubling times, wall-clock times, ages, amounts of resources.
 *
 * Every command uses these functions, so that a quantity looks the same everywhere. Exact values are in `--json`.
 */
import { isCellSample, type VmSample } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

const MINUTES_PER_HOUR = 60;
const MINUTES_PER_DAY = 1_440;
/** Longest doubling time that is shown in minutes, min. A longer one is shown in hours or days. */
const MAX_SHOWN_MINUTES = 1_000;
/** Growth rate below which a cell counts as not growing, per minute. Its doubling time exceeds a thousand years. */
const NO_GROWTH_PER_MINUTE = 1e-9;
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Returns simulated time in its two largest units, such as `57 min`, `2 h 37 min` or `3 d 4 h`. */
export function simTime(minutes: number): string {
  const whole = Math.round(minutes);
  if (whole < MINUTES_PER_HOUR) return `${whole} min`;
  if (whole < MINUTES_PER_DAY) return pair(whole, MINUTES_PER_HOUR, "h", 1, "min");
  return pair(whole, MINUTES_PER_DAY, "d", MINUTES_PER_HOUR, "h");
}

function pair(value: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((value % large) / small);
  const first = `${Math.floor(value / large)} ${largeUnit}`;
  return rest === 0 ? first : `${first} ${rest} ${smallUnit}`;
}

/** Returns a doubling time, such as `105.0 min`; a dash for a cell that does not grow or was not measured. */
export function doublingTime(minutes: number | null | undefined): string {
  if (minutes === null || minutes === undefined) return "–";
  return minutes < MAX_SHOWN_MINUTES ? `${minutes.toFixed(1)} min` : simTime(minutes);
}

/** Returns a growth rate, such as `0.00660 per min`; `no growth` below the smallest rate that means growth. */
export function growthRate(perMinute: number): string {
  if (perMinute < NO_GROWTH_PER_MINUTE) return "no growth";
  const digits = perMinute.toPrecision(3);
  return `${digits.includes("e") ? Number(digits).toFixed(Math.ceil(-Math.log10(perMinute)) + 2) : digits} per min`;
}

/** Returns a number with at most three digits after the point. */
export function rounded(value: number): string {
  return String(Number(value.toFixed(3)));
}

/** Returns a duration of real time in the largest unit that gives at least 1: `3.0 min`, not `180.0 s`. */
export function duration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < HOUR_MS) return `${(ms / MINUTE_MS).toFixed(1)} min`;
  return `${(ms / HOUR_MS).toFixed(1)} h`;
}

/** Returns an age in whole seconds or minutes, in hours or in days. */
export function ago(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return ms < 2 * DAY_MS ? `${(ms / HOUR_MS).toFixed(1)} h` : `${Math.round(ms / DAY_MS)} d`;
}

/**
 * Returns a time of the wall clock in the zone of this machine (variable `TZ`) with the name of the zone, such as
 * `2026-03-01 14:05:09 UTC`.
 */
export function wallClock(atMs: number): string {
  const parts = partsOf(atMs);
  return `${parts["year"]}-${parts["month"]}-${parts["day"]} ${timeWords(parts)}`;
}

/** Returns the time of day in the zone of this machine with the name of the zone, such as `14:05:09 UTC`. */
export function timeOfDay(atMs: number): string {
  return timeWords(partsOf(atMs));
}

type Parts = Partial<Record<Intl.DateTimeFormatPartTypes, string>>;

function timeWords({ hour, minute, second, timeZoneName }: Parts): string {
  return `${hour}:${minute}:${second} ${timeZoneName}`;
}

function partsOf(atMs: number): Parts {
  const format = new Intl.DateTimeFormat("en-GB", {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  });
  return Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
}

/** The short name of each resource: that of the option which sets it. The order is that of the options. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  ribosomes: "ribosomes",
  atpPerSecond: "atp",
  rnaPolymerases: "rnap",
  dnaKilobases: "dna",
  vcpus: "vcpus",
  memoryMiB: "memory",
};

/** Returns the short name of a resource, such as `atp` for `atpPerSecond`. */
export function resourceName(resource: string): string {
  return SHORT_NAMES[resource] ?? resource;
}

/** Returns the names of the resources in the order of the options. Unknown names come last. */
export function inOptionOrder(resources: readonly string[]): string[] {
  const known = Object.keys(SHORT_NAMES).filter((name) => resources.includes(name));
  return [...known, ...resources.filter((name) => !Object.hasOwn(SHORT_NAMES, name))];
}

/** Returns amounts of resources as text, such as `ribosomes 503, atp 13247, rnap 187, dna 543`; a dash for null. */
export function amountsLine(amounts: Amounts | null): string {
  if (amounts === null) return "–";
  return inOptionOrder(Object.keys(amounts))
    .map((name) => `${resourceName(name)} ${amounts[name]}`)
    .join(", ");
}

/** Returns whether both amounts have the same resources with the same values. */
export function sameAmounts(a: Amounts, b: Amounts): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Returns the health of a guest, 0 to 100; null for a machine without a cell that its pool does not measure. */
export function shownHealth(sample: VmSample): number | null {
  return sample.machine?.cpuPermille === null && !isCellSample(sample) ? null : sample.health;
}
