/**
 * The minute of a guest's simulated time that its agent has named, and at which it keeps the guest.
 *
 * A change of a minute before the recorded checkpoint could not act any more when a guest continues from it. So every
 * recorded change acts, however often the guest is started again.
 */
import {
  allocationsAfter,
  amountsAt,
  MAX_COMING_CHANGES,
  refuse,
  scheduledAmounts,
  type Vm,
} from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import type { VmRejection } from "./vm-decision.ts";

/** A minute of the guest with this fence and this number of restores. */
export interface HeldMinute {
  readonly fence: number;
  readonly restores: number;
  readonly simMinute: number;
}

/** `presentMinute`: a minute that the guest has reached; it is at most `simMinute`. */
export interface HeldGuest extends HeldMinute {
  readonly presentMinute: number;
}

/** Returns why a change cannot be recorded for this minute; undefined if it can. */
export function minuteProblem(
  vmId: string,
  { fence, restores, checkpoint }: Vm,
  at: HeldMinute,
): VmRejection | undefined {
  if (fence !== at.fence || restores !== at.restores) {
    return refuse("CONFLICT", `the guest of ${vmId} was replaced meanwhile: try again`, { retryable: true });
  }
  if (at.simMinute < (checkpoint?.simMinutes ?? 0)) {
    const message = `the guest of ${vmId} has passed minute ${at.simMinute} meanwhile: try again`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  return undefined;
}

/** The number of changes since the checkpoint that are not of the schedule. */
function unscheduled({ changes = [] }: Vm): number {
  return changes.filter(({ seq }) => seq > 0).length;
}

/** Returns the refusal of a further change; undefined if the VM may have one. */
export function changesProblem(vmId: string, vm: Vm): VmRejection | undefined {
  const count = unscheduled(vm);
  if (count < MAX_COMING_CHANGES) return undefined;
  const message = `${vmId} has ${count} changes since its checkpoint, the most that it may have`;
  return refuse("TOO_LARGE", message, { details: { limit: MAX_COMING_CHANGES } });
}

/** Returns the refusal of a further program that may change the guest; undefined if the VM may have one. */
export function programsProblem(vmId: string, vm: Vm): VmRejection | undefined {
  const count = unscheduled(vm);
  if (count < MAX_COMING_CHANGES) return undefined;
  const message =
    `${vmId} has had ${count} changes and programs since its checkpoint, the most that it may have: ` +
    "wait for its next checkpoint, or run the program with readOnly";
  return refuse("UNAVAILABLE", message, { retryable: true, details: { limit: MAX_COMING_CHANGES } });
}

/**
 * Returns the amounts that the VM's cell has from its present minute on, beside those that it gets at `simMinute`: before
 * this minute, and at later ones. All amounts of its schedule are among them, because a restore may bring them back.
 */
export function comingAmounts(vm: Vm, { presentMinute, simMinute }: HeldGuest): Amounts[] {
  const isPresent = simMinute <= presentMinute;
  const others = { ...vm, changes: vm.changes?.filter((change) => change.simMinute !== simMinute) };
  const coming = [...allocationsAfter(others, presentMinute), ...scheduledAmounts(vm)];
  return isPresent ? coming : [amountsAt(vm, presentMinute), ...coming];
}
