/**
 * Rules for a start that takes long, or that the host of the guest refuses.
 *
 * A refusal for lack of room costs the VM its place: it waits until room comes, and is not proposed to the same chassis
 * before. A refusal for a reason that can pass is tried again at the same place with growing waits. After the last try
 * the VM fails, so that no start is repeated without end. A start that makes progress keeps its place.
 */
import { START_REFUSAL_CODES, type Vm, type VmEvent } from "@bioxen/contracts";
import { accept, type Backoff, backoffDelayMs, UNCHANGED } from "@bioxen/kernel";
import type { GuestReport } from "./guest-report.ts";
import type { VmDecision } from "./vm-decision.ts";

/**
 * Maximum number of refused tries of one start. With {@link TRY_BACKOFF} they take two minutes: operations of a host
 * that are in the way have ended by then, and a cause that stays is reported soon.
 */
export const MAX_START_TRIES = 8;
/** Waits between the tries of a start that its host refuses for a reason that can pass. */
export const TRY_BACKOFF: Backoff = { firstMs: 1_000, ceilingMs: 60_000 };
/**
 * Waits until a chassis without room is tried again, if no room comes before. Room that other users of a host free is
 * no event in the log, so this wait decides how soon it is used.
 */
export const ROOM_BACKOFF: Backoff = { firstMs: 5_000, ceilingMs: 300_000 };
/**
 * How long a VM keeps its place after the last progress of its start, or after the time of its next try, ms. An agent
 * reports progress several times in this period.
 */
export const START_PATIENCE_MS = 60_000;

export function decideStartRefused(vm: Vm, report: GuestReport, nowMs: number): VmDecision {
  const { fence, reason, hostCode, tries } = report;
  const code = START_REFUSAL_CODES.find((one) => one === report.code);
  // A report with another number is a repetition, or its agent has not read the last refusal yet.
  const isNext = tries === (vm.refusedStart?.tries ?? 0) + 1;
  if (code === undefined || tries === undefined || !isNext || vm.chassisId === null) return UNCHANGED;
  const hasNoRoom = code === "CAPACITY_EXCEEDED";
  if (!hasNoRoom && tries >= MAX_START_TRIES) {
    const last = `${tries} tries to start it were refused; the last: ${reason}`;
    return accept<VmEvent>({ type: "bioxen.vm.failed.v1", data: { reason: last, code } });
  }
  const retryAtMs = nowMs + backoffDelayMs(hasNoRoom ? ROOM_BACKOFF : TRY_BACKOFF, tries);
  return accept<VmEvent>({
    type: "bioxen.vm.start-refused.v1",
    data: {
      fence,
      chassisId: vm.chassisId,
      code,
      ...(hostCode === undefined ? {} : { hostCode }),
      reason,
      tries,
      retryAtMs,
      placeEndsAtMs: hasNoRoom ? null : retryAtMs + START_PATIENCE_MS,
    },
  });
}

/** Records progress that is larger than the last one. A start makes at most 1000 such steps, so its wait is bounded. */
export function decideStartProgressed(vm: Vm, { fence, permille }: GuestReport, nowMs: number): VmDecision {
  const known = vm.startProgress?.fence === fence ? vm.startProgress.permille : 0;
  if (vm.state !== "starting" || permille === undefined || permille <= known) return UNCHANGED;
  return accept<VmEvent>({
    type: "bioxen.vm.start-progressed.v1",
    data: { fence, permille, placeEndsAtMs: nowMs + START_PATIENCE_MS },
  });
}
