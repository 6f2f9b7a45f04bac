/**
 * The last minute of a VM's cell, and what the VM does there: the field `until` of a creation.
 *
 * The minute belongs to the cell. A cell that began before it stops exactly there, at every time scale. A cell that
 * begins at or beyond it, from a snapshot for instance, has it behind it.
 */
import type { Problem } from "./endpoints/problem.ts";
import type { Until } from "./events/until.ts";
import type { Vm } from "./fold/vm-state.ts";
import type { VmType } from "./resources.ts";

/** Returns the problems of `until` that its schema does not show, each with its path. */
export function untilProblems({
  vmType,
  until,
}: {
  readonly vmType: VmType;
  readonly until?: Until | undefined;
}): Problem[] {
  if (until === undefined || vmType === "basic") return [];
  return [{ path: "until", message: `is for cells: a VM of type ${vmType} has no simulated time` }];
}

type WithUntil = Pick<Vm, "until">;

/** Returns true if the VM has a last minute, and a cell that begins at this minute has it behind it. */
export function isBeyondUntil({ until }: WithUntil, minute: number): boolean {
  return until !== undefined && minute >= until.simMinutes;
}

/** Returns the minute at which the VM's next cell, or its present one, has to stop; undefined if there is none. */
export function comingUntil({ until, untilReached }: Pick<Vm, "until" | "untilReached">): number | undefined {
  return untilReached === true ? undefined : until?.simMinutes;
}
