/**
 * Formats a plan, its result and the problems of a fleet file as text.
 */
import { paint } from "../terminal.ts";
import type { AppliedVm } from "./carry-out.ts";
import type { Difference, PlannedAction, PlannedVm } from "./plan.ts";

/** Maximum number of VMs that the text lists per action; `--json` lists all. */
const MAX_LISTED = 20;

const SIGNS = {
  create: ["+", "green"],
  change: ["~", "yellow"],
  replace: ["±", "red"],
  prune: ["-", "red"],
  left: [" ", "grey"],
  foreign: ["!", "red"],
  unchanged: [" ", "grey"],
} as const;

export type Counts = Readonly<Record<PlannedAction, number>>;

export function countsOf(plan: readonly PlannedVm[]): Counts {
  const counts = { create: 0, change: 0, replace: 0, unchanged: 0, prune: 0, left: 0, foreign: 0 };
  for (const { action } of plan) counts[action] += 1;
  return counts;
}

export function planWords(fleet: string, plan: readonly PlannedVm[]): string {
  const counts = countsOf(plan);
  const lines = (Object.keys(SIGNS) as PlannedAction[])
    .filter((action) => action !== "unchanged")
    .flatMap((action) => linesOf(plan.filter((one) => one.action === action)));
  const summary = [
    `${counts.create} to create`,
    `${counts.change} to change`,
    `${counts.replace} to replace`,
    `${counts.prune} to prune`,
    `${counts.unchanged} unchanged`,
  ];
  return [...lines, `fleet ${fleet}: ${summary.join(", ")}`].join("\n");
}

function linesOf(some: readonly PlannedVm[]): string[] {
  const lines = some.slice(0, MAX_LISTED).map((planned) => {
    const [sign, colour] = SIGNS[planned.action];
    return paint(
      colour,
      `${sign} ${planned.vmId.padEnd(16)} ${planned.action.padEnd(8)} ${detailOf(planned)}`.trimEnd(),
    );
  });
  const more = some.length - lines.length;
  return more === 0 ? lines : [...lines, `  … and ${more} more (${some[0]?.action})`];
}

function detailOf({ action, wanted, differences }: PlannedVm): string {
  if (action === "create") return `${wanted?.create.biologicalType}, ${wanted?.state}`;
  if (action === "left") return "not in the file; --prune destroys it";
  return differences.map(differenceWords).join(", ");
}

function differenceWords({ field, from, to }: Difference): string {
  const shown = (value: unknown) => {
    if (value === null) return "none";
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  return `${field} ${shown(from)} → ${shown(to)}`;
}

export function appliedWords(applied: readonly AppliedVm[]): string {
  const of = (outcome: AppliedVm["outcome"]) => applied.filter((one) => one.outcome === outcome);
  const lines = [
    ...of("waits").map(({ vmId, reason }) => paint("yellow", `${vmId} waits: ${reason}`)),
    ...of("failed").map(({ vmId, error }) =>
      paint("red", `${vmId} failed: ${error?.code}: ${error?.message}`),
    ),
  ];
  const counts = (["done", "waits", "failed", "untouched"] as const)
    .map((outcome) => ({ outcome, count: of(outcome).length }))
    .filter(({ outcome, count }) => count > 0 || outcome === "done")
    .map(({ outcome, count }) => `${count} ${outcome}`);
  return [...lines, counts.join(", ")].join("\n");
}
