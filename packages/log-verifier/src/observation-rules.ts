/**
 * What may follow when somebody else changed a VM's machine, from the documented table (docs/how-to/xcpng.md), not from the code that
 * decides it: a VM follows only under the policy `accept`, only where the table of states has a way, and only for what was seen.
 */
import type { VmEvent } from "@bioxen/contracts";

type Observed = Extract<VmEvent, { type: "bioxen.vm.observed.v1" }>["data"];

/** Where a VM that follows is led, by what was seen and what it was; what is not here cannot be followed. */
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
const AGAIN_MS = 60_000;

/** Of a VM's story, what others did to its machine. */
export interface Watched {
  /** When each kind of change was last told, for each place. */
  readonly seen: ReadonlyMap<string, number>;
  /** Of the last place it had. */
  readonly machineFence: number | null;
}

export const NEVER_WATCHED: Watched = { seen: new Map(), machineFence: null };

export interface ObservationStep {
  readonly state: string;
  readonly watched: Watched;
  readonly problems: readonly string[];
}

/** `heldByPreemption`: it is paused and has given up its room. */
export function observationStep(
  watched: Watched,
  state: string,
  heldByPreemption: boolean,
  { fence, seen, seenAtMs, drift, consequence }: Observed,
): ObservationStep {
  const problems: string[] = [];
  if (fence !== watched.machineFence) problems.push(`it is told of place ${fence}, not of its last`);
  const key = `${fence} ${seen}`;
  const before = watched.seen.get(key);
  const follows = consequence === "FOLLOW";
  if (before !== undefined && seenAtMs < before + (follows ? 1 : AGAIN_MS)) {
    problems.push(`that it was ${seen} is told again after ${seenAtMs - before} ms`);
  }
  const led = FOLLOWS[seen]?.[state];
  if (follows && drift !== "accept") problems.push("it follows what its policy has repaired");
  if (follows && led === undefined) problems.push(`${state}, it follows that it was ${seen}`);
  if (follows && seen === "resumed" && heldByPreemption) problems.push("it goes on without its room");
  if (consequence === "FAIL" && !(ENDS.includes(seen) && ["starting", "running", "paused"].includes(state))) {
    problems.push(`${state}, it is to fail because it was ${seen}`);
  }
  return {
    state: follows && led !== undefined ? led : state,
    watched: { ...watched, seen: new Map([...watched.seen, [key, seenAtMs]]) },
    problems,
  };
}
