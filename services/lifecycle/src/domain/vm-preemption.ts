/**
 * What a VM gives up for one of higher priority, and how it gets it back.
 *
 * Shrinking goes VM first, ledger after it: nothing is counted as free that a VM still thinks it has. Growing goes ledger first, VM
 * after it: nothing is used that was not granted. A preemption names the fence it was planned on, a reinstatement
 * the preemption it ends; what speaks of another one changes nothing.
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
import { accept, equalAmounts, UNCHANGED } from "@bioxen/kernel";
import type { VmDecision } from "./vm.ts";

/** What the scheduler asks of a victim. */
export interface PreemptionOrder {
  readonly fence: number;
  readonly mode: PreemptionMode;
  readonly by: string;
  readonly byPriority: number;
  readonly reason: string;
}

/** `by`: the VM it is for, as known here. One that does not wait any more needs nothing of anybody. */
export function decidePreempt(state: VmState, order: PreemptionOrder, by: VmState): VmDecision {
  const { fence, mode, byPriority, reason } = order;
  if (!state.exists || state.fence !== fence || state.chassisId === null) return UNCHANGED;
  if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
  if (!by.exists || by.state !== "pending" || by.priority !== byPriority) return UNCHANGED;
  if (state.priority >= byPriority) {
    const message = `a VM of priority ${state.priority} gives way to none of priority ${byPriority}`;
    return refuse("CONFLICT", message, { details: { priority: state.priority, byPriority } });
  }
  const kept = keptUnder(mode, state);
  if (kept === undefined) return UNCHANGED;
  const forWhom = { by: order.by, byPriority, reason };
  if (mode === "evict") {
    return accept<VmEvent>({
      type: "bioxen.vm.displaced.v2",
      data: { fence, chassisId: state.chassisId, code: "PREEMPTED", ...forWhom },
    });
  }
  return accept<VmEvent>({
    type: "bioxen.vm.preempted.v1",
    data: { mode, fence, ...forWhom, allocation: kept },
  });
}

/** The preemption that took something from a VM and still has it; undefined when nothing is to be given back. */
export function shrunkBy(state: VmState): { readonly vm: Vm; readonly seq: number } | undefined {
  if (!state.exists || state.fence === null || state.preemption === null) return undefined;
  if (!state.preemption.active) return undefined;
  return { vm: state, seq: state.preemption.seq };
}

/**
 * `granted`: the entry of its ledger as known here, grown before. `goOn`: its user asks for it to run, whatever he asked
 * for before.
 */
export function decideReinstate(
  vmId: string,
  state: VmState,
  preemptedSeq: number,
  granted: LedgerEntry | undefined,
  goOn: boolean,
): VmDecision {
  const shrunk = shrunkBy(state);
  if (shrunk?.seq !== preemptedSeq) return UNCHANGED;
  const { vm } = shrunk;
  if (granted === undefined || granted.fence !== vm.fence || !isWhole(vm, granted)) {
    return refuse("CONFLICT", `${vmId} changed its place meanwhile, try again`, { retryable: true });
  }
  return accept(reinstated(vm, granted, goOn));
}

/** Does this entry hold all the VM asks for, and will it go on doing so? */
function isWhole(vm: Vm, entry: LedgerEntry): boolean {
  return isFollowedBy(vm, entry) && equalAmounts(entry.amounts, vm.request);
}

function reinstated(vm: Vm, { fence, amounts }: LedgerEntry, goOn: boolean): VmEvent {
  const isReleased = isHeldByPreemption(vm) && vm.preemption?.heldByUser === false;
  const state = vm.state === "running" || isReleased || goOn ? "running" : "paused";
  return { type: "bioxen.vm.reinstated.v1", data: { fence, allocation: amounts, state } };
}

/** Its ledger holds something else than the VM has. What was granted to it is adopted; what it gave up is left to the ledger. */
export function decideAdopt(vm: Vm, entry: LedgerEntry): VmDecision {
  if (!isFollowedBy(vm, entry)) return UNCHANGED;
  if (vm.preemption?.active === true && isWhole(vm, entry)) return accept(reinstated(vm, entry, false));
  const request = vm.preemption?.active === true ? vm.request : entry.amounts;
  return accept<VmEvent>({ type: "bioxen.vm.resized.v1", data: { request, allocation: entry.amounts } });
}
