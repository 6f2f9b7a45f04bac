/**
 * Shared by the tests of the VM's rules: the events of one VM, its log in each state, and the entry of its place.
 */
import type { LedgerEntry, Vm, VmEvent } from "@bioxen/contracts";
import { createdVm, vmEvent } from "@bioxen/testkit";

export const VM_ID = "a";
export const REQUEST = { ribosomes: 503 };
/** Sequence of the reservation: between the start request (sequence 20) and `placed` (sequence 30). */
export const FENCE = 25;

export const CREATED = createdVm({
  request: REQUEST,
  restartPolicy: { mode: "on-failure", maxAttempts: 2, backoffMs: 1_000 },
});
export const START = vmEvent("start-requested", { automatic: false });
export const AUTOMATIC_START = vmEvent("start-requested", { automatic: true });
export const PLACED = vmEvent("placed", { chassisId: "here", fence: FENCE, allocation: REQUEST });
export const STARTED = vmEvent("started", { fence: FENCE });
export const PAUSED = vmEvent("paused");
export const STOP = vmEvent("stop-requested", { destroy: false });
export const STOP_TO_DESTROY = vmEvent("stop-requested", { destroy: true });
export const STOPPED = vmEvent("stopped", { reason: "x" });
export const FAILED = vmEvent("failed", { reason: "x", code: "GUEST_ERROR" });
export const DESTROYED = vmEvent("destroyed", { reason: "x" });

const RUNNING = [CREATED, START, PLACED, STARTED];

/** The record of a checkpoint at this simulated minute. */
export const checkpointRecord = (simMinutes: number) => ({
  checkpointId: `c${simMinutes}`,
  simMinutes,
  bytes: 5,
  sha256: "a".repeat(64),
});
export const checkpointed = (simMinutes: number) =>
  vmEvent("checkpointed", { fence: FENCE, ...checkpointRecord(simMinutes) });

/** The log of a VM in each state. */
export const LOGS: Readonly<Record<Vm["state"], readonly VmEvent[]>> = {
  created: [CREATED],
  pending: [CREATED, START],
  starting: [CREATED, START, PLACED],
  running: RUNNING,
  paused: [...RUNNING, PAUSED],
  stopping: [...RUNNING, STOP],
  stopped: [...RUNNING, STOP, STOPPED],
  error: [CREATED, START, PLACED, FAILED],
  destroyed: [CREATED, DESTROYED],
};

/**
 * Returns the ledger entry of a VM's place: reserved at `fence` and not changed since. The fields of `more` replace
 * those of this entry.
 */
export function entryOf(fence: number, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    vmId: VM_ID,
    incarnation: 1,
    fence,
    reservedBy: "e",
    amounts: REQUEST,
    amountsSeq: fence,
    phase: "reserved",
    expiresAtMs: 50_000,
    ...more,
  };
}
