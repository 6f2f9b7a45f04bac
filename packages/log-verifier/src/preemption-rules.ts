/**
 * What may be taken from a VM and given back to it, from the rules of preemption as they are documented (docs/scheduling), not
 * from the code that plans or decides it.
 */
import type { VmEvent } from "@bioxen/contracts";
import { sameAmounts } from "./ledger-account.ts";

type Amounts = Record<string, number>;

/** Of a VM's story, what preemption is about. */
export interface Preemptable {
  state: string;
  priority: number;
  request: Amounts;
  allocation: Amounts | null;
  /** How it goes without now; null: it has all it asks for. */
  gaveUp: "starve" | "pause" | null;
  /** Paused by its user as well. */
  userPaused: boolean;
}

export const NEVER_CREATED: Preemptable = {
  state: "absent",
  priority: 0,
  request: {},
  allocation: null,
  gaveUp: null,
  userPaused: false,
};

/** Whoever something is taken for must exist, ask for it with the priority that is told, and that must be the higher one. */
export function takenFor(victim: Preemptable, by: Preemptable | undefined, byPriority: number): string[] {
  const out: string[] = [];
  if (by === undefined) out.push("it is for a VM that never was");
  else if (by.priority !== byPriority) {
    out.push(`it is for priority ${byPriority}, that VM has priority ${by.priority}`);
  }
  if (byPriority <= victim.priority) {
    out.push(`priority ${victim.priority} gives way to priority ${byPriority}`);
  }
  return out;
}

/** Applies what of `body` matters here to `next`, and says what was wrong with it. `before`: the state it found. */
export function preemptionStep(next: Preemptable, before: string, body: VmEvent): string[] {
  switch (body.type) {
    case "bioxen.vm.created.v1":
      Object.assign(next, { priority: body.data.priority, request: body.data.request });
      return [];
    case "bioxen.vm.placed.v1":
      next.allocation = body.data.allocation;
      return [];
    case "bioxen.vm.moved.v1":
      Object.assign(next, { allocation: body.data.allocation, gaveUp: null, userPaused: false });
      return [];
    case "bioxen.vm.preempted.v1":
      return preempted(next, body.data.mode, body.data.allocation);
    case "bioxen.vm.reinstated.v1":
      return reinstated(next, body.data.state, body.data.allocation);
    case "bioxen.vm.paused.v1":
      return paused(next, before);
    case "bioxen.vm.resumed.v1":
      if (next.gaveUp === "pause") return ["it goes on without what preemption took from it"];
      return [];
    case "bioxen.vm.resized.v1":
      resized(next, body.data.request, body.data.allocation);
      return [];
    default:
      if (["running", "paused"].includes(next.state)) return [];
      Object.assign(next, { gaveUp: null, userPaused: false });
      if (next.state !== "starting" && next.state !== "stopping") next.allocation = null;
      return [];
  }
}

function preempted(next: Preemptable, mode: "starve" | "pause", kept: Amounts): string[] {
  const had = next.allocation ?? {};
  const more = Object.entries(kept).filter(([name, n]) => n > (had[name] ?? 0));
  const out = more.map(([name, n]) => `it keeps ${n} ${name} and had ${had[name] ?? 0}`);
  if (sameAmounts(kept, had)) out.push("it gave up nothing");
  if (next.gaveUp !== "pause") next.userPaused = next.state === "paused";
  Object.assign(next, { allocation: kept, gaveUp: mode });
  if (mode === "pause") next.state = "paused";
  return out;
}

function reinstated(next: Preemptable, state: string, allocation: Amounts): string[] {
  const out: string[] = [];
  if (next.gaveUp === null) out.push("nothing was taken from it");
  if (!sameAmounts(allocation, next.request)) out.push("it gets back something else than it asks for");
  if (next.gaveUp === "starve" && state !== next.state) out.push(`it was ${next.state} and becomes ${state}`);
  Object.assign(next, { allocation, state, gaveUp: null, userPaused: false });
  return out;
}

function paused(next: Preemptable, before: string): string[] {
  const isForOwnUser = next.gaveUp === "pause" && !next.userPaused;
  const out = before === "paused" && !isForOwnUser ? ["it is paused already"] : [];
  next.userPaused = next.gaveUp === "pause";
  return out;
}

/** One that is given all it asks for goes without nothing any more. */
function resized(next: Preemptable, request: Amounts, allocation: Amounts | null): void {
  next.request = request;
  if (allocation === null) return;
  next.allocation = allocation;
  if (next.gaveUp === null || !sameAmounts(request, allocation)) return;
  if (next.gaveUp === "pause" && !next.userPaused) next.state = "running";
  Object.assign(next, { gaveUp: null, userPaused: false });
}
