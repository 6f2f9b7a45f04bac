/**
 * Carries out the plan of `bioxen apply`: brings several VMs at a time, step by step, from their current state to the
 * desired state.
 *
 * A run keeps no state. After an interrupted run, the next run reads the current state of the VMs and continues from
 * there. A message id is derived from the content of the command and the version of its VM. Two concurrent runs
 * therefore send the same ids, and each command takes effect once.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Calls, OneCallOptions, ReplyOf } from "@bioxen/client";
import type { RequestOf, VmView } from "@bioxen/contracts";
import { Fault, type ReplyError } from "@bioxen/kernel";
import { endOf, refused } from "../outcome.ts";
import { someAtATime } from "../some-at-a-time.ts";
import type { WantedVm } from "./fleet-file.ts";
import { nextStep, type PlannedVm, type Step } from "./plan.ts";

/** Interval at which a VM in transition is polled, ms. */
const POLL_INTERVAL_MS = 100;

/**
 * Result of a run for one VM. `waits`: the VM is pending until a chassis has room; `reason` says why. `untouched`: the
 * run was interrupted before the next step of the VM.
 */
export type ApplyOutcome = "done" | "waits" | "failed" | "untouched";

export interface AppliedVm {
  readonly vmId: string;
  readonly outcome: ApplyOutcome;
  /** State of the VM; null when it does not exist or could not be read. */
  readonly state: string | null;
  readonly reason: string | null;
  readonly error?: ReplyError;
  /** True when no service answered a request about this VM. The run then starts no further VM. */
  readonly unreachable?: true;
}

export interface CarryOutOptions {
  readonly fleet: string;
  readonly signal: AbortSignal;
  readonly onDone: (done: number) => void;
}

/**
 * Applies `plan` and returns the result of each VM by id. VMs to prune are destroyed first, because that frees capacity
 * for the others.
 */
export async function carryOut(
  calls: Calls,
  plan: readonly PlannedVm[],
  { fleet, signal, onDone }: CarryOutOptions,
): Promise<ReadonlyMap<string, AppliedVm>> {
  const applied = new Map<string, AppliedVm>();
  let isUnreachable = false;
  const applyOne = async ({ vmId, wanted }: PlannedVm) => {
    if (signal.aborted || isUnreachable) {
      applied.set(vmId, { vmId, outcome: "untouched", state: null, reason: null });
      return;
    }
    const result = await converge(calls, fleet, vmId, wanted, signal);
    isUnreachable ||= result.unreachable === true;
    applied.set(vmId, result);
    onDone(applied.size);
  };
  await someAtATime(
    plan.filter(({ action }) => action === "prune"),
    applyOne,
  );
  await someAtATime(
    plan.filter(({ action }) => action === "create" || action === "change" || action === "replace"),
    applyOne,
  );
  return applied;
}

/**
 * Sends the steps for one VM until none is due, one step fails, or `signal` aborts. Returns the result; a thrown error
 * gives the outcome `failed`.
 */
async function converge(
  calls: Calls,
  fleet: string,
  vmId: string,
  wanted: WantedVm | undefined,
  signal: AbortSignal,
): Promise<AppliedVm> {
  const sent = new Set<Step>();
  let vm: VmView | undefined;
  try {
    vm = await currentVm(calls, vmId);
    let deadline = Date.now() + calls.timeoutMs;
    for (;;) {
      const step = nextStep(wanted, vm);
      if (step === "rest") return restingAt(vmId, wanted, vm);
      if (signal.aborted) return { ...summaryOf(vmId, vm), outcome: "untouched" };
      if (step === "wait") {
        if (Date.now() > deadline)
          return { ...summaryOf(vmId, vm), outcome: "failed", error: notConverged(vmId, vm) };
        await sleep(POLL_INTERVAL_MS);
        vm = await currentVm(calls, vmId);
        continue;
      }
      // A step that is due a second time had no effect, or another client reverted its effect. The VM then counts as
      // failed, because the step could be repeated forever.
      if (sent.has(step)) return { ...summaryOf(vmId, vm), outcome: "failed", error: notConverged(vmId, vm) };
      sent.add(step);
      const reply = await send(calls, fleet, step, vmId, wanted, vm);
      if (!reply.ok) return { ...summaryOf(vmId, vm), outcome: "failed", error: reply.error };
      vm = reply.vm;
      deadline = Date.now() + calls.timeoutMs;
    }
  } catch (thrown) {
    const { error = { code: "INTERNAL", message: String(thrown), retryable: false } } = endOf(thrown);
    const unreachable = thrown instanceof Fault && thrown.retryable ? { unreachable: true as const } : {};
    return { ...summaryOf(vmId, vm), outcome: "failed", error, ...unreachable };
  }
}

/**
 * Returns the current view of the VM; undefined when the id was never used. A destroyed VM also has a view, because the
 * next command needs the version in that view.
 */
async function currentVm(calls: Calls, vmId: string): Promise<VmView | undefined> {
  const reply = await calls.call("vmGet", { vmId });
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

/**
 * Sends the command of `step` with an idempotent message id, and returns the reply. After a retryable refusal, sends
 * the command again until the deadline: a VM that grows may have to wait until another VM of the fleet has shrunk.
 */
function send(
  calls: Calls,
  fleet: string,
  step: Exclude<Step, "wait" | "rest">,
  vmId: string,
  wanted: WantedVm | undefined,
  vm: VmView | undefined,
): Promise<ReplyOf<"vmCreate" | "vmStop">> {
  const optionsOf = (request: object): OneCallOptions => ({
    messageId: messageIdOf(fleet, step, request, vm?.version ?? 0),
    repeatOn: "retryable",
  });
  if (step === "create" && wanted !== undefined) {
    const request = wanted.create as RequestOf<"vmCreate">;
    return calls.call("vmCreate", request, optionsOf(request));
  }
  if (step === "resize" && wanted !== undefined) {
    const request = { vmId, resources: wanted.request };
    return calls.call("vmResize", request, optionsOf(request));
  }
  const endpoint = ENDPOINT_OF[step as keyof typeof ENDPOINT_OF];
  return calls.call(endpoint, { vmId }, optionsOf({ vmId }));
}

function messageIdOf(fleet: string, step: Step, request: object, version: number): string {
  const content = JSON.stringify([fleet, step, request, version]);
  return `apply-${createHash("sha256").update(content).digest("hex").slice(0, 32)}`;
}

function summaryOf(vmId: string, vm: VmView | undefined) {
  return { vmId, state: vm?.state ?? null, reason: vm?.reason ?? null };
}

function restingAt(vmId: string, wanted: WantedVm | undefined, vm: VmView | undefined): AppliedVm {
  const waits = wanted !== undefined && wanted.state !== "stopped" && vm?.state === "pending";
  return { ...summaryOf(vmId, vm), outcome: waits ? "waits" : "done" };
}

function notConverged(vmId: string, vm: VmView | undefined): ReplyError {
  const why = vm?.reason == null ? "" : `: ${vm.reason}`;
  const message = `${vmId} is still ${vm?.state ?? "absent"}${why}`;
  return { code: vm?.failure ?? "UNAVAILABLE", message, retryable: true };
}
