/**
 * What an agent should do about one VM: the log says what should be, the driver what is.
 *
 * One action at a time, the next look decides the next. A guest whose VM is elsewhere, stopped or on a newer
 * reservation is a leftover and is ended; a guest that should be here and is not is started, and reported as restarted when
 * the log thought that it ran.
 */
import type { Vm, VmState } from "@bioxen/contracts";
import { type Amounts, equalAmounts } from "@bioxen/kernel";

/** A guest as the driver lists it, with the allocation it was last given. */
export interface PresentGuest {
  readonly fence: number;
  readonly state: "running" | "paused" | "failed";
  readonly reason?: string | undefined;
  readonly allocation: Amounts;
  /** How often its VM had been set back when it began. */
  readonly restores: number;
  /** The furthest minute that this guest is known to have been at; undefined where that is not watched. */
  readonly reachedMinutes?: number | undefined;
}

export type AgentAction =
  | { readonly kind: "start"; readonly vm: Vm; readonly fence: number; readonly allocation: Amounts }
  /** In its place, from another state. */
  | {
      readonly kind: "restart";
      readonly vm: Vm;
      readonly fence: number;
      readonly allocation: Amounts;
      readonly reason: string;
    }
  | { readonly kind: "end"; readonly fence: number }
  | { readonly kind: "pause"; readonly fence: number }
  | { readonly kind: "resume"; readonly fence: number }
  | { readonly kind: "resize"; readonly fence: number; readonly allocation: Amounts }
  | { readonly kind: "report-started"; readonly fence: number }
  | { readonly kind: "report-failed"; readonly fence: number; readonly reason: string }
  /** End the guest if there is one, then say that it has stopped. */
  | { readonly kind: "stop"; readonly fence: number; readonly reason: string }
  /** Let the guest stand still, its state stored, and say so: its VM has a place elsewhere. It is ended once that has moved. */
  | { readonly kind: "hand-over"; readonly fence: number }
  | { readonly kind: "report-handed-over"; readonly fence: number }
  | { readonly kind: "none" };

const NONE: AgentAction = { kind: "none" };

/**
 * `isHosted`: this agent runs the chassis the VM is on. `isHeld`: the guest must not run on, because its place may be another's by
 * now (see `self-fence.ts`); it is kept as it is until that is known, and nothing is begun.
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
  if (vm.state === "stopping") return { kind: "stop", fence, reason: vm.reason ?? "by command" };
  if (isLeaving(vm) && guest?.state !== "failed" && (guest?.fence ?? 0) <= fence) {
    // One whose guest is not here died with its agent: it goes on there.
    return guest?.fence === fence ? { kind: "hand-over", fence } : { kind: "report-handed-over", fence };
  }
  if (guest === undefined || guest.fence < fence) {
    return { kind: "start", vm, fence, allocation: vm.allocation ?? {} };
  }
  if (guest.fence > fence) return NONE;
  if (guest.state === "failed") {
    return { kind: "report-failed", fence, reason: guest.reason ?? "the guest ended" };
  }
  const reason = whyRestart(vm, guest);
  if (reason !== undefined) return { kind: "restart", vm, fence, allocation: vm.allocation ?? {}, reason };
  // Before it is given less: what stands still misses nothing.
  const isToPause = vm.state === "paused" || (vm.state === "starting" && vm.startsPaused);
  if (isToPause && guest.state === "running") return { kind: "pause", fence };
  if (!equalAmounts(guest.allocation, vm.allocation ?? {})) {
    return { kind: "resize", fence, allocation: vm.allocation ?? {} };
  }
  if (vm.state === "starting") return { kind: "report-started", fence };
  if (vm.state === "running" && guest.state === "paused") return { kind: "resume", fence };
  return NONE;
}

/**
 * A checkpoint that was under way when the agent died may be recorded after the guest was started again from the one before: the
 * guest is then behind its own checkpoint, until it goes on from that.
 */
function whyRestart(vm: Vm, guest: PresentGuest): string | undefined {
  if (guest.restores < vm.restores) return "its VM was set back";
  const isBehind = (vm.checkpoint?.simMinutes ?? 0) > (guest.reachedMinutes ?? Number.POSITIVE_INFINITY);
  return isBehind ? "a later checkpoint of it was recorded meanwhile" : undefined;
}

/** It has a place elsewhere and is to go there. */
function isLeaving(vm: Vm): boolean {
  return (
    (vm.state === "running" || vm.state === "paused") && vm.migration !== null && vm.migration.target !== null
  );
}
