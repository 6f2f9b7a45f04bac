/**
 * The schedule of a VM: what its creation lets change at minutes of the simulated time of its cell.
 *
 * The event of the creation has the whole schedule, with all amounts, so the log alone gives the course of the cell. A VM
 * whose amounts change holds the largest of them as long as it has a place, because after a restore its cell may need them
 * again.
 */
import { type Amounts, largestAmounts } from "@bioxen/kernel";
import type { Problem } from "./endpoints/problem.ts";
import type { ScheduledChange } from "./events/vm.ts";
import type { CellChange, Vm } from "./fold/vm-state.ts";
import { type RequestedResources, resourceProblems } from "./resource-problems.ts";
import { requestParts, type VmType, type VmTypes } from "./resources.ts";

/** Maximum number of entries of a schedule: the event of the creation and every state of the VM contain them. */
export const MAX_SCHEDULE_ENTRIES = 1_000;

export interface ScheduleEntry {
  readonly atMinute: number;
  readonly environment?: Readonly<Record<string, number | undefined>> | undefined;
  readonly resources?: RequestedResources | undefined;
}

interface Scheduled extends VmTypes {
  readonly schedule?: readonly ScheduleEntry[] | undefined;
  readonly guarantee?: object | undefined;
  readonly burst?: object | undefined;
}

/**
 * Returns what the request asks of a cell that a VM of its type does not have, each with its path: a schedule and a
 * recorded course need simulated time. A create with such a part alone is UNSUPPORTED.
 */
export function partsOfCells({
  vmType,
  schedule = [],
  record,
}: {
  readonly vmType: VmType;
  readonly schedule?: readonly unknown[] | undefined;
  readonly record?: object | undefined;
}): Problem[] {
  if (vmType === "basic") return [];
  const message = `is for cells: a VM of type ${vmType} has no simulated time`;
  return [
    ...(schedule.length === 0 ? [] : [{ path: "schedule", message }]),
    ...(record === undefined ? [] : [{ path: "record", message }]),
  ];
}

/**
 * Returns the problems of the schedule of a cell that its schema does not show, each with its path. The schedule of
 * another VM is the subject of {@link partsOfCells}.
 */
export function scheduleProblems(request: Scheduled): Problem[] {
  const { schedule = [], vmType, guarantee, burst } = request;
  if (schedule.length === 0 || vmType !== "basic") return [];
  const problems = schedule.flatMap(({ resources }, i) =>
    resources === undefined ? [] : resourceProblems(request, resources, `schedule.${i}.resources`),
  );
  if (!schedule.some(({ resources }) => resources !== undefined)) return problems;
  const others = { guarantee, burst };
  for (const [path, value] of Object.entries(others)) {
    if (value !== undefined) problems.push({ path, message: "excludes a schedule of resources" });
  }
  return problems;
}

/**
 * Returns the schedule as the event of the creation records it, in the order in which it acts, and the amounts that the VM
 * requests. `initial` are the amounts at the beginning.
 */
export function recordedSchedule(
  types: VmTypes,
  initial: Amounts,
  schedule: readonly ScheduleEntry[] = [],
): { readonly schedule: ScheduledChange[] | undefined; readonly request: Amounts } {
  if (schedule.length === 0) return { schedule: undefined, request: initial };
  const changesAmounts = schedule.some(({ resources }) => resources !== undefined);
  const entries: ScheduledChange[] = changesAmounts ? [{ atMinute: 0, allocation: { ...initial } }] : [];
  let present = initial;
  for (const { atMinute, environment, resources } of schedule.toSorted((a, b) => a.atMinute - b.atMinute)) {
    if (resources !== undefined) present = requestParts(types, resources, { request: present }).request;
    const fields = Object.entries(environment ?? {}).filter(
      (field): field is [string, number] => field[1] !== undefined,
    );
    entries.push({
      atMinute,
      ...(fields.length === 0 ? {} : { environment: Object.fromEntries(fields) }),
      ...(resources === undefined ? {} : { allocation: { ...present } }),
    });
  }
  return { schedule: entries, request: largestAmounts([initial, ...amountsOf(entries)]) };
}

type WithSchedule = Pick<Vm, "schedule">;

/** Returns the amounts of the schedule, in order; empty if it changes no amounts. */
export function scheduledAmounts({ schedule = [] }: WithSchedule): Amounts[] {
  return amountsOf(schedule);
}

function amountsOf(schedule: readonly ScheduledChange[]): Amounts[] {
  return schedule.flatMap(({ allocation }) => (allocation === undefined ? [] : [allocation]));
}

/**
 * Returns the changes of the schedule from this minute on. Their numbers are negative, so that they act before the changes
 * that events record for the same minute.
 */
export function scheduledChanges({ schedule = [] }: WithSchedule, fromMinute: number): CellChange[] {
  return schedule.flatMap(({ atMinute, environment, allocation }, i) =>
    atMinute < fromMinute ? [] : [{ seq: i - schedule.length, simMinute: atMinute, environment, allocation }],
  );
}

/** Returns the amounts of the cell before the scheduled changes of this minute; undefined: the schedule has none. */
export function scheduledBefore({ schedule = [] }: WithSchedule, minute: number): Amounts | undefined {
  const [first] = amountsOf(schedule);
  return amountsOf(schedule.filter(({ atMinute }) => atMinute < minute)).at(-1) ?? first;
}
