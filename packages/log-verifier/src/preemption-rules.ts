/**
 * The rules of preemption and reinstatement, by the documentation (docs/scheduling.md), independently of the code that
 * plans and decides them.
 */
import type { VmEvent } from "@bioxen/contracts";
import { sameAmounts } from "./ledger-account.ts";

type Amounts = Record<string, number>;

/** The fields of a VM's record that the rules of preemption use. */
export interface Preemptable {
  state: string;
  priority: number;
  request: Amounts;
  allocation: Amounts | null;
  /** The mode of the preemption that the VM is under; null when the VM holds its full request. */
  gaveUp: "starve" | "pause" | null;
  /** True when the user has also paused a VM that preemption has paused. */
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

/**
 * Checks the VM for which another VM was preempted (the beneficiary), and returns the problems. The beneficiary must
 * exist, must have the recorded priority, and must have a higher priority than the preempted VM.
 */
export function beneficiaryProblems(
  victim: Preemptable,
  by: Preemptable | undefined,
  byPriority: number,
): string[] {
  const out: string[] = [];
  if (by === undefined) out.push("it is for a VM that never existed");
  else if (by.priority !== byPriority) {
    out.push(`it is for priority ${byPriority}, but that VM has priority ${by.priority}`);
  }
  if (byPriority <= victim.priority) {
    out.push(`priority ${victim.priority} is preempted for priority ${byPriority}`);
  }
  return out;
}

/**
 * Applies the event to `next` and returns one sentence for each rule that the event violates. `before` is the VM's
 * state before the event.
 */
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
    case "bioxen.vm.until-reached.v1":
      if (body.data.then === "pause") {
        next.userPaused = next.gaveUp === "pause";
        return [];
      }
      return ended(next);
    case "bioxen.vm.paused.v1":
      return paused(next, before);
    case "bioxen.vm.resumed.v1":
      if (next.gaveUp === "pause") return ["it resumes without the resources that preemption took"];
      return [];
    case "bioxen.vm.resized.v1":
      resized(next, body.data.request, body.data.allocation);
      return [];
    default:
      return ["running", "paused"].includes(next.state) ? [] : ended(next);
  }
}

/** Applies an event that ends the run of the VM, and with it its preemption. */
function ended(next: Preemptable): string[] {
  Object.assign(next, { gaveUp: null, userPaused: false });
  if (next.state !== "starting" && next.state !== "stopping") next.allocation = null;
  return [];
}

function preempted(next: Preemptable, mode: "starve" | "pause", kept: Amounts): string[] {
  const had = next.allocation ?? {};
  const more = Object.entries(kept).filter(([name, n]) => n > (had[name] ?? 0));
  const out = more.map(([name, n]) => `it keeps ${n} ${name} but had ${had[name] ?? 0}`);
  if (sameAmounts(kept, had)) out.push("it gave up nothing");
  if (next.gaveUp !== "pause") next.userPaused = next.state === "paused";
  Object.assign(next, { allocation: kept, gaveUp: mode });
  if (mode === "pause") next.state = "paused";
  return out;
}

function reinstated(next: Preemptable, state: string, allocation: Amounts): string[] {
  const out: string[] = [];
  if (next.gaveUp === null) out.push("nothing was taken from it");
  if (!sameAmounts(allocation, next.request)) out.push("it gets back other amounts than its request");
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

/** Applies a resize to `next`. A resize that allocates the full request ends the preemption. */
function resized(next: Preemptable, request: Amounts, allocation: Amounts | null): void {
  next.request = request;
  if (allocation === null) return;
  next.allocation = allocation;
  if (next.gaveUp === null || !sameAmounts(request, allocation)) return;
  if (next.gaveUp === "pause" && !next.userPaused) next.state = "running";
  Object.assign(next, { gaveUp: null, userPaused: false });
}
