/**
 * Rules for what agents report about the guests of VMs.
 *
 * A report names the fence of the reservation that the guest ran under. A report about another reservation than the
 * VM's present one changes nothing: its guest is not the VM's guest any more.
 */
import {
  CHECKPOINT_LOSSES,
  type CheckpointLoss,
  isBeingRemoved,
  type LedgerEntry,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, type DecisionTable, UNCHANGED } from "@bioxen/kernel";
import type { GuestReport } from "./guest-report.ts";
import { isPlaceCurrent } from "./reserved-place.ts";
import type { VmDecision } from "./vm-decision.ts";
import { decideCheckpointed, decideCheckpointLost } from "./vm-guest-state.ts";
import { decideHandedOver, decideNotHandedOver } from "./vm-move.ts";
import { decideObserved } from "./vm-observed.ts";
import { decideStartProgressed, decideStartRefused } from "./vm-start.ts";
import { decideUntilReached } from "./vm-until.ts";

export interface ReportCommand {
  readonly type: "report";
  readonly report: GuestReport;
  /** The VM's entry in the ledger of its chassis, as known here. */
  readonly entry: LedgerEntry | undefined;
  /** The VM's entry in the ledger of the chassis that it moves to, as known here. */
  readonly targetEntry: LedgerEntry | undefined;
  readonly nowMs: number;
}

/**
 * Decides a report. A start is confirmed only while its reservation has not expired, and the allocator keeps an expired
 * reservation until the VM gives it up. So a VM never runs without an allocation.
 */
function decideReport(state: VmState, { report, entry, targetEntry, nowMs }: ReportCommand): VmDecision {
  const { fence, reason, code } = report;
  if (report.observed === "outside-change") {
    return report.outside === undefined ? UNCHANGED : decideObserved(state, fence, report.outside);
  }
  if (!state.exists) return UNCHANGED;
  if (isBeingRemoved(state)) {
    return report.observed === "stopped" && fence === state.lastFence
      ? accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } })
      : UNCHANGED;
  }
  if (state.fence !== fence) return UNCHANGED;
  switch (report.observed) {
    case "started":
      if (state.state !== "starting" || !isPlaceCurrent(state, entry, nowMs)) return UNCHANGED;
      return accept<VmEvent>({
        type: "bioxen.vm.started.v1",
        data: state.startsPaused ? { fence, paused: true } : { fence },
      });
    case "restarted":
      if (state.state !== "running" && state.state !== "paused") return UNCHANGED;
      return accept<VmEvent>({ type: "bioxen.vm.guest-restarted.v1", data: { fence, reason } });
    case "stopped":
      if (state.state !== "stopping") return UNCHANGED;
      return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } });
    case "failed":
      if (state.state === "stopping")
        return accept<VmEvent>({ type: "bioxen.vm.stopped.v1", data: { reason } });
      return accept<VmEvent>({ type: "bioxen.vm.failed.v1", data: { reason, code } });
    case "checkpointed": {
      const { checkpoint, restores = 0 } = report;
      return checkpoint === undefined
        ? UNCHANGED
        : decideCheckpointed(state, { fence, restores, checkpoint });
    }
    case "checkpoint-lost": {
      const { checkpointId } = report;
      if (!isCheckpointLoss(code) || checkpointId === undefined) return UNCHANGED;
      return decideCheckpointLost(state, { fence, checkpointId, code, reason });
    }
    case "start-refused":
      return state.state === "stopping" ? UNCHANGED : decideStartRefused(state, report, nowMs);
    case "start-progressed":
      return decideStartProgressed(state, report, nowMs);
    case "until-reached":
      return decideUntilReached(state, report);
    case "handed-over":
      return decideHandedOver(state, report, targetEntry, nowMs);
    case "not-handed-over":
      return decideNotHandedOver(state, reason);
  }
}

function isCheckpointLoss(code: string): code is CheckpointLoss {
  return CHECKPOINT_LOSSES.some((loss) => loss === code);
}

export const REPORT_RULES: DecisionTable<VmState, ReportCommand, VmEvent> = { report: decideReport };
