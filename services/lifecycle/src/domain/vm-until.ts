/**
 * The rule for the last minute of a cell (`until` of the creation). The agent keeps the guest at this minute and reports it;
 * the VM is then paused, or stops.
 */
import type { VmEvent, VmState } from "@bioxen/contracts";
import { accept, UNCHANGED } from "@bioxen/kernel";
import type { GuestReport } from "./guest-report.ts";
import type { VmDecision } from "./vm-decision.ts";

/**
 * Decides the report. A guest from before a restore of the VM has another course, so its report changes nothing. The same
 * holds for a report that repeats a recorded one: a user may have resumed the VM since.
 */
export function decideUntilReached(state: VmState, { fence, simMinute, restores }: GuestReport): VmDecision {
  if (!state.exists || (state.state !== "running" && state.state !== "paused")) return UNCHANGED;
  const { until, untilReached } = state;
  if (until === undefined || untilReached === true || state.restores !== restores) return UNCHANGED;
  if (simMinute !== until.simMinutes) return UNCHANGED;
  return accept<VmEvent>({
    type: "bioxen.vm.until-reached.v1",
    data: { fence, simMinute, then: until.then },
  });
}
