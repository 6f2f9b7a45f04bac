/**
 * The rules of observed changes, which other tools made to a VM's machine. They follow the documented table
 * (docs/how-to/xcpng.md), independently of the code that decides them.
 *
 * A VM follows a change only under the policy `accept`, and only where the table below has a transition for that
 * change.
 */
import type { VmEvent } from "@bioxen/contracts";

type ObservedData = Extract<VmEvent, { type: "bioxen.vm.observed.v1" }>["data"];

/**
 * The state of a VM after it has followed a change, by change and previous state. The VM cannot follow a combination
 * that is not listed.
 */
const FOLLOWS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  paused: { running: "paused" },
  suspended: { running: "paused" },
  resumed: { paused: "running" },
  halted: { starting: "stopping", running: "stopping", paused: "stopping" },
  deleted: {
    starting: "stopping",
    running: "stopping",
    paused: "stopping",
    stopping: "stopping",
    stopped: "stopped",
    error: "error",
  },
};
const ENDS = ["halted", "deleted"];
/**
 * Shortest time between two events that record the same change, ms. An event that changes the state of the VM may
 * follow sooner.
 */
const REPEAT_AFTER_MS = 60_000;

/** The fields of a VM's record that the rules of observed changes use. */
export interface Observed {
  /**
   * Time at which each observed change of the VM was last recorded, epoch ms of the agent's clock. A key of the map
   * consists of the fence and the kind of change.
   */
  readonly seen: ReadonlyMap<string, number>;
  /** Fence of the VM's present or last place; null before the VM has its first place. */
  readonly machineFence: number | null;
}

export const NEVER_OBSERVED: Observed = { seen: new Map(), machineFence: null };

export interface ObservationStep {
  readonly state: string;
  readonly observed: Observed;
  readonly problems: readonly string[];
}

/**
 * Returns the VM's state and record after the event, and the rules that the event violates. `heldByPreemption` is true
 * when preemption has paused the VM.
 */
export function observationStep(
  observed: Observed,
  state: string,
  heldByPreemption: boolean,
  { fence, seen, seenAtMs, drift, consequence }: ObservedData,
): ObservationStep {
  const problems: string[] = [];
  if (fence !== observed.machineFence) problems.push(`it is of place ${fence}, not of the last place`);
  const key = `${fence} ${seen}`;
  const before = observed.seen.get(key);
  const follows = consequence === "FOLLOW";
  if (before !== undefined && seenAtMs < before + (follows ? 1 : REPEAT_AFTER_MS)) {
    problems.push(`${seen} is recorded again after ${seenAtMs - before} ms`);
  }
  const following = FOLLOWS[seen]?.[state];
  if (follows && drift !== "accept") problems.push("it follows, but its policy is to repair");
  if (follows && following === undefined) problems.push(`it is ${state} and cannot follow ${seen}`);
  if (follows && seen === "resumed" && heldByPreemption)
    problems.push("it resumes without the resources that preemption took");
  if (consequence === "FAIL" && !(ENDS.includes(seen) && ["starting", "running", "paused"].includes(state))) {
    problems.push(`it is ${state} and cannot fail by ${seen}`);
  }
  return {
    state: follows && following !== undefined ? following : state,
    observed: { ...observed, seen: new Map([...observed.seen, [key, seenAtMs]]) },
    problems,
  };
}
