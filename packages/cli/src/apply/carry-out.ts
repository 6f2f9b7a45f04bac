/**
 * Brings every VM of a plan to what it shall be, some at a time, each step by step from what it is now.
 *
 * Nothing is remembered between two runs: a run that was ended anywhere is gone on with by the next one, which looks at what there is.
 * Message ids are made from the content of a command and the version of the VM it is for, so that two runs at once do not do it twice.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplyOf } from "@bioxen/client";
import type { RequestOf, VmView } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";
import { endOf, refused } from "../outcome.ts";
import type { Session } from "../session.ts";
import { someAtATime } from "../some-at-a-time.ts";
import type { WantedVm } from "./fleet-file.ts";
import { nextStep, type PlannedVm, type Step } from "./plan.ts";

/** How often a VM on its way is looked at, ms. */
const LOOK_INTERVAL_MS = 100;

/** `waits`: for a place, with the reason. `untouched`: the run was ended before its turn. */
export type ApplyOutcome = "done" | "waits" | "failed" | "untouched";

export interface AppliedVm {
  readonly vmId: string;
  readonly outcome: ApplyOutcome;
  /** Null: there is none. */
  readonly state: string | null;
  readonly reason: string | null;
  readonly error?: ReplyError;
  /** Nobody answered: nothing more can be done now. */
  readonly unreachable?: true;
}

export interface CarryOutOptions {
  readonly fleet: string;
  readonly signal: AbortSignal;
  readonly onDone: (done: number) => void;
}

/** What is to be pruned goes first: its room is for the others. */
export async function carryOut(
  session: Session,
  plan: readonly PlannedVm[],
  { fleet, signal, onDone }: CarryOutOptions,
): Promise<ReadonlyMap<string, AppliedVm>> {
  const applied = new Map<string, AppliedVm>();
  let isAway = false;
  const one = async ({ vmId, wanted }: PlannedVm) => {
    if (signal.aborted || isAway) {
      applied.set(vmId, { vmId, outcome: "untouched", state: null, reason: null });
      return;
    }
    const result = await bring(session, fleet, vmId, wanted, signal);
    isAway ||= result.unreachable === true;
    applied.set(vmId, result);
    onDone(applied.size);
  };
  await someAtATime(
    plan.filter(({ action }) => action === "prune"),
    one,
  );
  await someAtATime(
    plan.filter(({ action }) => action === "create" || action === "change" || action === "replace"),
    one,
  );
  return applied;
}

async function bring(
  session: Session,
  fleet: string,
  vmId: string,
  wanted: WantedVm | undefined,
  signal: AbortSignal,
): Promise<AppliedVm> {
  const taken = new Set<Step>();
  let vm: VmView | undefined;
  try {
    vm = await look(session, vmId);
    let deadline = Date.now() + session.timeoutMs;
    for (;;) {
      const step = nextStep(wanted, vm);
      if (step === "rest") return atRest(vmId, wanted, vm);
      if (signal.aborted) return { ...endedAt(vmId, vm), outcome: "untouched" };
      if (step === "wait") {
        if (Date.now() > deadline)
          return { ...endedAt(vmId, vm), outcome: "failed", error: stillThere(vmId, vm) };
        await sleep(LOOK_INTERVAL_MS);
        vm = await look(session, vmId);
        continue;
      }
      // The same step twice would be so for ever: it failed, or somebody else undoes it.
      if (taken.has(step)) return { ...endedAt(vmId, vm), outcome: "failed", error: stillThere(vmId, vm) };
      taken.add(step);
      const reply = await take(session, fleet, step, vmId, wanted, vm);
      if (!reply.ok) return { ...endedAt(vmId, vm), outcome: "failed", error: reply.error };
      vm = reply.vm;
      deadline = Date.now() + session.timeoutMs;
    }
  } catch (thrown) {
    const { error = { code: "INTERNAL", message: String(thrown), retryable: false } } = endOf(thrown);
    const away = thrown instanceof Fault && thrown.retryable ? { unreachable: true as const } : {};
    return { ...endedAt(vmId, vm), outcome: "failed", error, ...away };
  }
}

/** As it is now, with its version when it is destroyed; undefined: it never was. */
async function look(session: Session, vmId: string): Promise<VmView | undefined> {
  const reply = await session.call("vmGet", { vmId });
  if (reply.ok) return reply.vm;
  if (reply.error.code === "VM_NOT_FOUND") return undefined;
  throw refused(reply.error);
}

const ENDPOINT_OF = {
  destroy: "vmDestroy",
  start: "vmStart",
  pause: "vmPause",
  resume: "vmResume",
  stop: "vmStop",
} as const;

function take(
  session: Session,
  fleet: string,
  step: Exclude<Step, "wait" | "rest">,
  vmId: string,
  wanted: WantedVm | undefined,
  vm: VmView | undefined,
): Promise<ReplyOf<"vmCreate" | "vmStop">> {
  const idOf = (request: object) => ({
    messageId: messageIdOf(fleet, step, request, vm?.version ?? 0),
  });
  if (step === "create" && wanted !== undefined) {
    const request = wanted.create as RequestOf<"vmCreate">;
    return session.call("vmCreate", request, idOf(request));
  }
  if (step === "resize" && wanted !== undefined) {
    const request = { vmId, resources: wanted.request };
    return session.call("vmResize", request, idOf(request));
  }
  const endpoint = ENDPOINT_OF[step as keyof typeof ENDPOINT_OF];
  return session.call(endpoint, { vmId }, idOf({ vmId }));
}

function messageIdOf(fleet: string, step: Step, request: object, version: number): string {
  const content = JSON.stringify([fleet, step, request, version]);
  return `apply-${createHash("sha256").update(content).digest("hex").slice(0, 32)}`;
}

function endedAt(vmId: string, vm: VmView | undefined) {
  return { vmId, state: vm?.state ?? null, reason: vm?.reason ?? null };
}

function atRest(vmId: string, wanted: WantedVm | undefined, vm: VmView | undefined): AppliedVm {
  const waits = wanted !== undefined && wanted.state !== "stopped" && vm?.state === "pending";
  return { ...endedAt(vmId, vm), outcome: waits ? "waits" : "done" };
}

function stillThere(vmId: string, vm: VmView | undefined): ReplyError {
  const why = vm?.reason == null ? "" : `: ${vm.reason}`;
  const message = `${vmId} is still ${vm?.state ?? "absent"}${why}`;
  return { code: vm?.failure ?? "UNAVAILABLE", message, retryable: true };
}
