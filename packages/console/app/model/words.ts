/**
 * Quantities as people read them. Numbers have a fixed number of digits, so that columns align and live values do not
 * jump.
 */
import type { Amounts } from "./types.ts";

const RESOURCE_NAMES: Readonly<Record<string, string>> = {
  ribosomes: "Ribosomes",
  rnaPolymerases: "RNA polymerases",
  atpPerSecond: "ATP/s",
  dnaKilobases: "Genome (kb)",
  vcpus: "vCPUs",
  memoryMiB: "Memory (MiB)",
};

/** Resources in the order in which they are shown. */
export const RESOURCE_ORDER = Object.keys(RESOURCE_NAMES);

export function resourceName(name: string): string {
  return RESOURCE_NAMES[name] ?? name;
}

export function inOrder(amounts: Amounts): [string, number][] {
  return RESOURCE_ORDER.flatMap((name) =>
    name in amounts ? [[name, amounts[name] ?? 0] as [string, number]] : [],
  );
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function count(value: number): string {
  return whole.format(value);
}

/** A large amount in few characters: `22.4K`. */
export function short(value: number): string {
  return Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value);
}

/** At most three significant digits: `1.23`, `45.6`, `789`. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return whole.format(value);
  if (size < 0.001) return value.toExponential(2);
  return value.toPrecision(3);
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function amountsLine(amounts: Amounts): string {
  return inOrder(amounts)
    .map(([name, amount]) => `${count(amount)} ${resourceName(name)}`)
    .join(", ");
}

const STEPS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
] as const;

/** A span in its largest unit: `3 min`, `2 h`. */
export function span(ms: number): string {
  const step = STEPS.find(([size]) => ms >= size) ?? STEPS[3];
  return `${Math.floor(Math.max(ms, 0) / step[0])} ${step[1]}`;
}

export function ago(ms: number): string {
  return ms < 2_000 ? "just now" : `${span(ms)} ago`;
}

/** Simulated minutes: `12.5 min`, `3 h 05 min`. */
export function simTime(minutes: number): string {
  if (minutes < 60) return `${minutes.toFixed(minutes < 10 ? 1 : 0)} min`;
  const hours = Math.floor(minutes / 60);
  const rest = Math.floor(minutes % 60);
  return hours < 48
    ? `${hours} h ${String(rest).padStart(2, "0")} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** An instant in the zone of the viewer; with the day unless it is today. */
export function instant(ms: number, nowMs: number): string {
  const isToday = new Date(ms).toDateString() === new Date(nowMs).toDateString();
  return isToday ? clock.format(ms) : `${day.format(ms)}, ${clock.format(ms)}`;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  syn3a: "JCVI-syn3A",
  ecoli: "E. coli K-12",
  minimal_cell: "JCVI-syn3.0",
};
export function typeName(biologicalType: string): string {
  return TYPE_NAMES[biologicalType] ?? biologicalType;
}
