/** The time scale of a VM that does not live at the rate of its agent: the field `timeScale` of a creation. */
import type { Problem } from "./endpoints/problem.ts";
import type { VmType } from "./resources.ts";

/**
 * Returns the problems of a time scale that its schema does not show, each with its path. Capacity is lent for time of the
 * host, so a cell at `max` cannot borrow.
 */
export function timeScaleProblems({
  vmType,
  timeScale,
  burst,
}: {
  readonly vmType: VmType;
  readonly timeScale?: "max" | undefined;
  readonly burst?: object | undefined;
}): Problem[] {
  if (timeScale === undefined) return [];
  if (vmType !== "basic") {
    const message = `is for cells: a VM of type ${vmType} lives in the time of its machine`;
    return [{ path: "timeScale", message }];
  }
  return burst === undefined ? [] : [{ path: "burst", message: "excludes the time scale max" }];
}
