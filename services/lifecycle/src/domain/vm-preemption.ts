/**
 * Rules for preemption: which resources a VM gives up for a VM of higher priority, and how it gets them back.
 *
 * A VM shrinks before its ledger entry does, so that the ledger never offers resources that a VM still uses. A VM grows
 * after its ledger entry, so that the VM never uses resources that were not granted. A preemption names the fence on
 * which it was planned, and a reinstatement names the preemption that it ends. A command that names another fence or
 * preemption than the VM's present one changes nothing.
 */
import {
  isFollowedBy,
  isHeldByPreemption,
  keptUnder,
  type LedgerEntry,
  type PreemptionMode,
  refuse,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable, equalAmounts, UNCHANGED } from "@bioxen/kernel";
import { type OnVm, placeChanged, type VmDecision, type VmRejection } from "./vm-decision.ts";

/** The order of the scheduler to a victim. */
export interface PreemptionOrder {
  readonly fence: number;
  readonly mode: PreemptionMode;
  /** The id of the VM that needs the resources. */
  readonly by: string;
  readonly byPriority: number;
  readonly reason: string;
}

export type PreemptionCommand =
  /**
   * `preemptor`: the VM `order.by` as known here. `obstacle`: the rejection when the preemptor could never run on the
   * chassis of this VM; otherwise undefined.
   */
  | (OnVm<"preempt"> & {
      readonly order: PreemptionOrder;
      readonly preemptor: VmState;
      readonly obstacle?: VmRejection | undefined;
    })
  | (OnVm<"reinstate"> & {
      /** Sequence of the event of the preemption to end. */
      readonly preemptedSeq: number;
      /** The VM's ledger entry as known here; it has grown to the VM's whole request. */
      readonly granted: LedgerEntry | undefined;
      /** True when the VM's user resumes it: the VM then runs even if the user paused it before. */
      readonly isResume: boolean;
    });

/**
 * Decides a preemption. Changes nothing when the preemptor no longer waits, because it no longer needs the resources.
 */
function decidePreempt(
  state: VmState,
  { vmId, order, preemptor, obstacle }: CommandOf<PreemptionCommand, "preempt">,
): VmDecision {
  const { fence, mode, byPriority, reason } = order;
  if (!state.exists || state.fence !== fence || state.chassisId === null) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  if (!preemptor.exists || preemptor.state !== "pending" || preemptor.priority !== byPriority)
    return UNCHANGED;
  if (state.priority >= byPriority) {
    const message = `${vmId} has priority ${state.priority}; a VM of priority ${byPriority} cannot preempt it`;
    return refuse("CONFLICT", message, { details: { priority: state.priority, byPriority } });
  }
  if (obstacle !== undefined) return obstacle;
  const kept = keptUnder(mode, state);
  if (kept === undefined) return UNCHANGED;
  const beneficiary = { by: order.by, byPriority, reason };
  if (mode === "evict") {
    return accept<VmEvent>({
      type: "bioxen.vm.displaced.v2",
      data: { fence, chassisId: state.chassisId, code: "PREEMPTED", ...beneficiary },
    });
  }
  return accept<VmEvent>({
    type: "bioxen.vm.preempted.v1",
    data: { mode, fence, ...beneficiary, allocation: kept },
  });
}

/**
 * Returns a placed VM that has an active preemption, with the sequence of the preemption's event. Returns undefined
 * when the VM has no place, or has all its resources.
 */
export function activePreemptionOf(state: VmState): { readonly vm: Vm; readonly seq: number } | undefined {
  if (!state.exists || state.fence === null || state.preemption === null) return undefined;
  if (!state.preemption.active) return undefined;
  return { vm: state, seq: state.preemption.seq };
}

function decideReinstate(
  state: VmState,
  { vmId, preemptedSeq, granted, isResume }: CommandOf<PreemptionCommand, "reinstate">,
): VmDecision {
  const preempted = activePreemptionOf(state);
  if (preempted?.seq !== preemptedSeq) return UNCHANGED;
  const { vm } = preempted;
  if (granted === undefined || granted.fence !== vm.fence || !isWhole(vm, granted)) return placeChanged(vmId);
  return accept(reinstated(vm, granted, isResume));
}

/**
 * Returns true when the entry holds the VM's whole request, and the ledger will not shrink the entry any more for the
 * VM's preemption.
 */
function isWhole(vm: Vm, entry: LedgerEntry): boolean {
  return isFollowedBy(vm, entry) && equalAmounts(entry.amounts, vm.request);
}

function reinstated(vm: Vm, { fence, amounts }: LedgerEntry, isResume: boolean): VmEvent {
  const isReleased = isHeldByPreemption(vm) && vm.preemption?.heldByUser === false;
  const state = vm.state === "running" || isReleased || isResume ? "running" : "paused";
  return { type: "bioxen.vm.reinstated.v1", data: { fence, allocation: amounts, state } };
}

/**
 * Decides for a VM whose ledger entry differs from its allocation. The VM adopts amounts that the ledger granted. It
 * does not adopt amounts that it gave up, because the ledger still has to release them.
 */
export function decideAdopt(vm: Vm, entry: LedgerEntry): VmDecision {
  if (!isFollowedBy(vm, entry)) return UNCHANGED;
  if (vm.preemption?.active === true && isWhole(vm, entry)) return accept(reinstated(vm, entry, false));
  const request = vm.preemption?.active === true ? vm.request : entry.amounts;
  return accept<VmEvent>({ type: "bioxen.vm.resized.v1", data: { request, allocation: entry.amounts } });
}

export const PREEMPTION_RULES: DecisionTable<VmState, PreemptionCommand, VmEvent> = {
  preempt: decidePreempt,
  reinstate: decideReinstate,
};
