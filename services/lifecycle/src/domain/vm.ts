/**
 * What may happen to one VM.
 *
 * Commands of users move it along the contract's table (§3); the rest is what the world reports: a reservation made for it,
 * a place lost, a guest that started, stopped or failed. Those carry the fence of the reservation they speak of, and one
 * that speaks of another reservation than the present one changes nothing.
 */
import {
  isFollowedBy,
  isHeldByPreemption,
  type LedgerEntry,
  type PlacementRefusal,
  refuse,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, accept, type Decision, equalAmounts, UNCHANGED } from "@bioxen/kernel";

export type VmDecision = Decision<VmEvent>;

/** What a user may ask of a VM. */
export type VmVerb =
  | "create"
  | "start"
  | "pause"
  | "resume"
  | "stop"
  | "destroy"
  | "resize"
  | "migrate"
  | "exec"
  | "snapshot"
  | "restore"
  | "fork"
  | "delete-snapshot";

/** With snapshots, and with a guest whose state can be taken. `fork` here is one of the guest; one of a snapshot asks nothing of the state. */
const KEPT = ["restore", "delete-snapshot"] as const;
const LIVE = ["snapshot", "fork", ...KEPT] as const;

const ALLOWED: Readonly<Record<Vm["state"], readonly VmVerb[]>> = {
  created: ["start", "resize", "destroy", ...KEPT],
  pending: ["stop", "destroy", "delete-snapshot"],
  starting: ["stop", "destroy", "delete-snapshot"],
  running: ["pause", "stop", "resize", "migrate", "exec", "destroy", ...LIVE],
  paused: ["resume", "stop", "resize", "migrate", "destroy", ...LIVE],
  stopping: ["destroy", "delete-snapshot"],
  stopped: ["start", "resize", "destroy", ...KEPT],
  error: ["start", "resize", "destroy", ...KEPT],
  destroyed: ["create"],
};

/** States in which a command finds the VM where it leads. */
const THERE: Readonly<Partial<Record<VmVerb, readonly Vm["state"][]>>> = {
  start: ["pending", "starting", "running"],
  pause: ["paused"],
  resume: ["running"],
  stop: ["stopping", "stopped"],
  destroy: ["destroyed"],
};

/** The VM when `verb` is allowed now, else what to answer instead. */
export function admit(
  vmId: string,
  state: VmState,
  verb: Exclude<VmVerb, "create">,
): { readonly vm: Vm } | { readonly answer: VmDecision } {
  if (!state.exists) return { answer: refuse("VM_NOT_FOUND", `there is no VM ${vmId}`) };
  if (THERE[verb]?.includes(state.state)) return { answer: UNCHANGED };
  const allowed = ALLOWED[state.state];
  if (allowed.includes(verb)) return { vm: state };
  const message = `a VM that is ${state.state} cannot ${verb}; allowed: ${allowed.join(", ")}`;
  const details = { state: state.state, command: verb, allowed };
  return { answer: refuse("INVALID_TRANSITION", message, { details }) };
}

export type NewVm = Omit<Extract<VmEvent, { type: "bioxen.vm.created.v1" }>["data"], "incarnation">;

export function decideCreate(vmId: string, state: VmState, vm: NewVm): VmDecision {
  if (state.exists && state.state !== "destroyed") {
    return refuse("VM_ALREADY_EXISTS", `VM ${vmId} exists and is ${state.state}`);
  }
  const incarnation = state.exists ? state.incarnation + 1 : 1;
  return accept<VmEvent>({ type: "bioxen.vm.created.v1", data: { incarnation, ...vm } });
}

/** `infeasible` says, of this VM, why no registered chassis could ever hold it. */
export function decideStart(
  vmId: string,
  state: VmState,
  infeasible: (vm: Vm) => readonly PlacementRefusal[] | undefined,
): VmDecision {
  const admitted = admit(vmId, state, "start");
  if ("answer" in admitted) return admitted.answer;
  const reasons = infeasible(admitted.vm);
  if (reasons !== undefined) {
    const all = reasons.map((r) => `${r.chassisId}: ${r.message}`).join("; ");
    const message = `${vmId} fits no chassis even when it is empty: ${all}`;
    return refuse("INFEASIBLE", message, { details: { request: admitted.vm.request, reasons } });
  }
  return accept<VmEvent>({ type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
}

/** One that is paused by preemption is paused by its user as well then, and stays so when it is reinstated. */
export function decidePause(vmId: string, state: VmState): VmDecision {
  const isToRemember = state.exists && isHeldByPreemption(state) && state.preemption?.heldByUser === false;
  if (isToRemember) return accept<VmEvent>({ type: "bioxen.vm.paused.v1", data: {} });
  const admitted = admit(vmId, state, "pause");
  return "answer" in admitted ? admitted.answer : accept<VmEvent>({ type: "bioxen.vm.paused.v1", data: {} });
}

/** One that is paused by preemption is resumed by `decideReinstate`: it needs its room back first. */
export function decideResume(vmId: string, state: VmState): VmDecision {
  const admitted = admit(vmId, state, "resume");
  if ("answer" in admitted) return admitted.answer;
  if (isHeldByPreemption(admitted.vm)) return preemptedMeanwhile(vmId);
  return accept<VmEvent>({ type: "bioxen.vm.resumed.v1", data: {} });
}

/** A command was decided on what the VM had before. */
export function preemptedMeanwhile(vmId: string) {
  return refuse("CONFLICT", `${vmId} has just been preempted, try again`, { retryable: true });
}

export function decideStop(vmId: string, state: VmState): VmDecision {
  const admitted = admit(vmId, state, "stop");
  if ("answer" in admitted) return admitted.answer;
  return accept<VmEvent>({ type: "bioxen.vm.stop-requested.v1", data: { destroy: false } });
}

/** A VM with a guest is stopped first; `vm-process.ts` ends what this begins. */
export function decideDestroy(vmId: string, state: VmState): VmDecision {
  const admitted = admit(vmId, state, "destroy");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  if (vm.chassisId === null && vm.state !== "stopping") {
    return accept<VmEvent>({ type: "bioxen.vm.destroyed.v1", data: { reason: "by command" } });
  }
  if (vm.destroyRequested) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.stop-requested.v1", data: { destroy: true } });
}

/** `granted`: the ledger has made room already; null where there is no reservation to change. */
export function decideResize(
  vmId: string,
  state: VmState,
  request: Amounts,
  granted: Pick<LedgerEntry, "fence" | "amounts" | "amountsSeq"> | null,
): VmDecision {
  const admitted = admit(vmId, state, "resize");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  if ((granted?.fence ?? null) !== vm.fence) {
    return refuse("CONFLICT", `${vmId} changed its place meanwhile, try again`, { retryable: true });
  }
  if (granted !== null && !isFollowedBy(vm, granted)) return preemptedMeanwhile(vmId);
  const allocation = granted?.amounts ?? null;
  const sameAllocation = allocation === null || equalAmounts(allocation, vm.allocation ?? {});
  if (sameAllocation && equalAmounts(request, vm.request)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.resized.v1", data: { request, allocation } });
}

/** The scheduler found no place. Recorded only when the reasons changed in kind, not with every number. */
export function decideDefer(state: VmState, reasons: readonly PlacementRefusal[]): VmDecision {
  if (!state.exists) return UNCHANGED;
  const told = state.state === "pending" ? state.refusals : refusalsOfMove(state);
  if (told === undefined || kindsOf(told) === kindsOf(reasons)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.deferred.v1", data: { reasons: [...reasons] } });
}

/** Of a move that waits for a place. */
function refusalsOfMove({ migration }: Vm): readonly PlacementRefusal[] | undefined {
  return migration?.target === null ? migration.refusals : undefined;
}

function kindsOf(refusals: readonly PlacementRefusal[]): string {
  return refusals
    .map((r) => `${r.chassisId} ${r.code} ${r.resource ?? ""}`)
    .sort()
    .join("\n");
}
