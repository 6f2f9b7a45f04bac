/**
 * Decides an agent's next action for one VM, from its desired state (the log) and its present guest (the driver).
 *
 * Each decision yields one action; the next step decides again. A guest whose VM is on another chassis, stopped or on a
 * newer reservation is ended. A missing guest is started, and reported as restarted if the log says that the VM runs.
 */
import {
  type CellChange,
  type StopDeadline,
  type Until,
  type Vm,
  type VmState,
  withCell,
} from "@bioxen/contracts";
import { type Amounts, equalAmounts } from "@bioxen/kernel";

/** A guest as the driver lists it, with the allocation that it was given last. */
export interface PresentGuest {
  readonly fence: number;
  readonly state: "running" | "paused" | "failed";
  readonly reason?: string | undefined;
  /** Whether the guest's start was interrupted before it was complete. */
  readonly unfinished?: true | undefined;
  readonly allocation: Amounts;
  /** The VM's restore count when this guest started. */
  readonly restores: number;
  /** Whether the guest stays at the last minute of its cell. */
  readonly atLastMinute?: true | undefined;
  /** Whether the cell stays at its division until its second daughter is recorded. */
  readonly dividing?: true | undefined;
  /** The latest simulated minute that this guest is known to have reached; undefined when that is unknown. */
  readonly reachedMinutes?: number | undefined;
  /** Sequence of the newest change at a minute that this guest has got; undefined when that is unknown. */
  readonly changedSeq?: number | undefined;
  /** Whether this guest has got amounts at minutes since it was given `allocation`. */
  readonly hasCourse?: boolean | undefined;
  /** Whether a program of a user ran in this guest and the log did not get it in time. */
  readonly isUnrecorded?: boolean | undefined;
}

export type AgentAction =
  | { readonly kind: "start"; readonly vm: Vm; readonly fence: number; readonly allocation: Amounts }
  /** Ends the guest and starts it again from another stored state. */
  | {
      readonly kind: "restart";
      readonly vm: Vm;
      readonly fence: number;
      readonly allocation: Amounts;
      readonly reason: string;
    }
  | { readonly kind: "end"; readonly fence: number }
  | { readonly kind: "pause"; readonly fence: number }
  /** With `beyondLastMinute` the guest has no last minute from now on. */
  | { readonly kind: "resume"; readonly fence: number; readonly beyondLastMinute: boolean }
  | { readonly kind: "resize"; readonly fence: number; readonly allocation: Amounts }
  /** Gives the guest a change of its environment or allocation at a minute. */
  | { readonly kind: "change"; readonly vm: Vm; readonly fence: number; readonly change: CellChange }
  | { readonly kind: "report-started"; readonly fence: number }
  | { readonly kind: "report-failed"; readonly fence: number; readonly reason: string }
  /** Records the second daughters of the cell, which stays at its division until then. */
  | { readonly kind: "divide"; readonly fence: number }
  /** Reports that the guest has reached the last minute of its cell. */
  | { readonly kind: "report-until-reached"; readonly vm: Vm; readonly fence: number; readonly until: Until }
  /**
   * Ends the guest, if there is one, and reports it as stopped. With `removes`, which is the VM's incarnation, the VM is
   * destroyed: the report follows once nothing of the guest is left.
   */
  | {
      readonly kind: "stop";
      readonly removes?: number;
      readonly fence: number;
      readonly reason: string;
      readonly deadline: StopDeadline | null;
    }
  /**
   * Pauses the guest, stores its state and reports the hand-over, because its VM moves. The guest is ended after the
   * move.
   */
  | { readonly kind: "hand-over"; readonly fence: number }
  | { readonly kind: "report-handed-over"; readonly fence: number }
  | { readonly kind: "none" };

const NONE: AgentAction = { kind: "none" };

/**
 * Returns the next action for a VM. `isHosted` says whether this agent runs the VM's chassis. `isHeld` says that the
 * guest must not run, because another agent may run the VM by now (`self-fence.ts`). A held guest is paused and kept,
 * and no other action starts.
 */
export function nextAction(
  vm: VmState,
  isHosted: boolean,
  guest: PresentGuest | undefined,
  isHeld = false,
): AgentAction {
  const fence = vm.exists && isHosted ? vm.fence : null;
  if (!vm.exists || fence === null) return guest === undefined ? NONE : { kind: "end", fence: guest.fence };
  if (isHeld) return guest?.state === "running" ? { kind: "pause", fence: guest.fence } : NONE;
  if (vm.state === "stopping") {
    const removes = vm.destroyRequested ? { removes: vm.incarnation } : {};
    return { kind: "stop", fence, reason: vm.reason ?? "by command", deadline: vm.stopDeadline, ...removes };
  }
  // Before a hand-over, whose state must not be behind a division that is not recorded.
  if (guest?.dividing === true && guest.fence === fence && ["running", "paused"].includes(vm.state)) {
    return { kind: "divide", fence };
  }
  if (isLeaving(vm) && guest?.state !== "failed" && (guest?.fence ?? 0) <= fence) {
    // If the guest died with its agent, there is no state to hand over: the VM resumes from its last checkpoint.
    return guest?.fence === fence ? { kind: "hand-over", fence } : { kind: "report-handed-over", fence };
  }
  if (guest === undefined || guest.fence < fence) {
    return { kind: "start", vm, fence, allocation: allocationAtStart(vm) };
  }
  if (guest.fence > fence) return NONE;
  if (guest.state === "failed") {
    return { kind: "report-failed", fence, reason: guest.reason ?? "the guest ended" };
  }
  // The process that started the guest has ended meanwhile: this start completes what is missing.
  if (guest.unfinished === true) return { kind: "start", vm, fence, allocation: allocationAtStart(vm) };
  const reason = whyRestart(vm, guest);
  if (reason !== undefined) return { kind: "restart", vm, fence, allocation: allocationAtStart(vm), reason };
  // The pause comes before a resize, because a paused guest loses nothing by a smaller allocation.
  if (isPaused(vm) && guest.state === "running") return { kind: "pause", fence };
  if (needsAllocation(vm, guest)) return { kind: "resize", fence, allocation: allocationFor(vm) };
  if (vm.state === "starting") return { kind: "report-started", fence };
  const newest = guest.changedSeq ?? Number.POSITIVE_INFINITY;
  const change = vm.changes?.find(({ seq }) => seq > newest);
  if (change !== undefined) return { kind: "change", vm, fence, change };
  return atLastMinute(vm, fence, guest) ?? NONE;
}

/**
 * Returns the action for a guest that may stay at the last minute of its cell. The log must have this minute before a user
 * can let the cell pass it.
 */
function atLastMinute(vm: Vm, fence: number, guest: PresentGuest): AgentAction | undefined {
  const { until, untilReached } = vm;
  const stays = guest.atLastMinute === true;
  if (stays && until !== undefined && untilReached !== true) {
    return { kind: "report-until-reached", vm, fence, until };
  }
  if (vm.state !== "running" || (guest.state !== "paused" && !stays)) return undefined;
  return { kind: "resume", fence, beyondLastMinute: untilReached === true };
}

/**
 * Returns the action for a VM without a place that is destroyed and whose machine this agent removes. It has no guest,
 * unless another user has started its machine.
 */
export function removal({ lastFence, incarnation, reason }: Vm): AgentAction {
  return {
    kind: "stop",
    fence: lastFence,
    reason: reason ?? "by command",
    deadline: null,
    removes: incarnation,
  };
}

/**
 * Returns the time that the guest has left to end by itself, ms; undefined without a deadline. The deadline is by the
 * clock of the lifecycle service. If the clock of this host is behind, the guest gets at most the time that was asked.
 */
export function graceMs(deadline: StopDeadline | null, nowMs: number): number | undefined {
  if (deadline === null) return undefined;
  return Math.max(0, Math.min(deadline.withinMs, deadline.atMs - nowMs));
}

/**
 * Returns why the guest must restart from another state; undefined when no restart is needed. One reason is a restore
 * of the VM. The other reason is a guest that is behind the VM's latest checkpoint. This happens when an agent dies
 * while it reports a checkpoint. The restarted agent then starts the guest from the previous checkpoint before the log
 * has the report.
 */
function whyRestart(vm: Vm, guest: PresentGuest): string | undefined {
  if (guest.restores < vm.restores) return "its VM was restored";
  if (guest.isUnrecorded === true) return "a program that ran in it was not recorded";
  const isBehind = (vm.checkpoint?.simMinutes ?? 0) > (guest.reachedMinutes ?? Number.POSITIVE_INFINITY);
  return isBehind ? "a later checkpoint was recorded meanwhile" : undefined;
}

/** Returns true if the guest of the VM must not pass simulated time. */
export function isPaused({ state, startsPaused }: Vm): boolean {
  return state === "paused" || (state === "starting" && startsPaused);
}

/**
 * Returns the amounts that the guest gets without a minute: those that its ledger holds, and those of the cell in a
 * machine. While its amounts change at minutes, they are those before the first change.
 */
export function allocationFor({ allocation, allocationCourse, cell }: Vm): Amounts {
  return withCell(allocationCourse?.before ?? allocation ?? {}, cell);
}

/** Returns the amounts of a guest that starts from the checkpoint of the VM, or from the beginning. */
export function allocationAtStart({ allocation, allocationCourse, cell }: Vm): Amounts {
  return withCell(allocationCourse?.atCheckpoint ?? allocation ?? {}, cell);
}

/**
 * Returns true if the guest must get its amounts at once: they changed without a minute. Then changes at coming minutes that
 * the guest has got are over as well.
 */
function needsAllocation(vm: Vm, { allocation, hasCourse }: PresentGuest): boolean {
  if (vm.allocationCourse === undefined && hasCourse === true) return true;
  return !equalAmounts(allocation, allocationFor(vm));
}

/** Returns true if the VM has a reservation on another chassis and moves there. */
function isLeaving(vm: Vm): boolean {
  return (
    (vm.state === "running" || vm.state === "paused") && vm.migration !== null && vm.migration.target !== null
  );
}
