/**
 * Rules for the commands of users on one VM: the contract's table of states (§3).
 *
 * `admit` reads the table; each rule below adds what the table cannot say. Other files have the other rules of a VM:
 * `vm-world.ts` for ledgers and chassis, `vm-report.ts` for reports of agents, `vm-move.ts` for moves, and
 * `vm-preemption.ts` for preemption.
 */
import {
  isFollowedBy,
  isHeldByPreemption,
  type LedgerEntry,
  type PlacementRefusal,
  type RequestParts,
  refusalKind,
  refuse,
  type Vm,
  type VmEvent,
  type VmState,
} from "@bioxen/contracts";
import {
  type Amounts,
  accept,
  type CommandOf,
  type DecisionTable,
  equalAmounts,
  fits,
  UNCHANGED,
} from "@bioxen/kernel";
import { comingAmounts, type HeldGuest, minuteProblem } from "./held-minute.ts";
import type { NewVm } from "./new-vm.ts";
import {
  noVm,
  type OnVm,
  placeChanged,
  preemptedMeanwhile,
  type VmDecision,
  vmExists,
} from "./vm-decision.ts";

/** The part of a ledger entry that a resize needs. */
export type GrantedEntry = Pick<LedgerEntry, "fence" | "amounts" | "amountsSeq">;

export type UserCommand =
  | (OnVm<"create"> & { readonly vm: NewVm })
  /**
   * `infeasible`: why no registered chassis could ever hold the VM; undefined when at least one could, or when no
   * chassis is registered.
   */
  | (OnVm<"start"> & { readonly infeasible: readonly PlacementRefusal[] | undefined })
  | OnVm<"pause">
  | OnVm<"resume">
  /** `deadlineMs` and `force`: the limit that the user sets for the end of the guest, as the contract defines it. */
  | (OnVm<"stop"> & {
      readonly deadlineMs?: number | undefined;
      readonly force?: boolean | undefined;
      readonly nowMs: number;
    })
  | OnVm<"destroy">
  | (OnVm<"transfer"> & { readonly owner: string })
  /**
   * `granted`: the entry in which the ledger has already made room for `request`; null for a VM without a
   * reservation.
   */
  /** `cell`: the new amounts of the cell in a machine, which no ledger counts; absent: they are unchanged. */
  /** `at`: the minute of the cell at which it gets the amounts `given`; undefined for a guest without minutes. */
  | (OnVm<"resize"> &
      RequestParts & {
        readonly granted: GrantedEntry | null;
        readonly at?: HeldGuest | undefined;
        readonly given?: Amounts | undefined;
      })
  /** The scheduler found no place for the VM. */
  | { readonly type: "defer"; readonly reasons: readonly PlacementRefusal[] };

/** The commands of users, as the table of states names them. */
export type VmVerb =
  | "create"
  | "start"
  | "pause"
  | "resume"
  | "stop"
  | "destroy"
  | "resize"
  | "set-environment"
  | "migrate"
  | "exec"
  | "snapshot"
  | "restore"
  | "fork"
  | "delete-snapshot";

/** Commands that need a stored snapshot. */
const KEPT = ["restore", "delete-snapshot"] as const;
/**
 * Commands for a VM with a live guest. `fork` here copies the guest; a fork from a snapshot is allowed in every state.
 */
const LIVE = ["set-environment", "snapshot", "fork", ...KEPT] as const;

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

/** By command: the states in which the VM has already reached the goal of that command. */
const THERE: Readonly<Partial<Record<VmVerb, readonly Vm["state"][]>>> = {
  start: ["pending", "starting", "running"],
  pause: ["paused"],
  resume: ["running"],
  stop: ["stopping", "stopped"],
  destroy: ["destroyed"],
};

/** Returns the VM when its state allows `verb`, otherwise the answer to the command: unchanged, or a rejection. */
export function admit(
  vmId: string,
  state: VmState,
  verb: Exclude<VmVerb, "create">,
): { readonly vm: Vm } | { readonly answer: VmDecision } {
  if (!state.exists) return { answer: noVm(vmId) };
  if (THERE[verb]?.includes(state.state)) return { answer: UNCHANGED };
  const allowed = ALLOWED[state.state];
  if (allowed.includes(verb)) return { vm: state };
  const message = `${vmId} is ${state.state} and cannot ${verb}; allowed: ${allowed.join(", ")}`;
  const details = { state: state.state, command: verb, allowed };
  return { answer: refuse("INVALID_TRANSITION", message, { details }) };
}

function decideCreate(state: VmState, { vmId, vm }: CommandOf<UserCommand, "create">): VmDecision {
  if (state.exists && state.state !== "destroyed") return vmExists(vmId, state);
  const incarnation = state.exists ? state.incarnation + 1 : 1;
  return accept<VmEvent>({ type: "bioxen.vm.created.v1", data: { incarnation, ...vm } });
}

function decideStart(state: VmState, { vmId, infeasible }: CommandOf<UserCommand, "start">): VmDecision {
  const admitted = admit(vmId, state, "start");
  if ("answer" in admitted) return admitted.answer;
  if (infeasible !== undefined) {
    const all = infeasible.map((r) => `${r.chassisId}: ${r.message}`).join("; ");
    const message = `${vmId} fits no registered chassis, not even an empty one: ${all}`;
    const details = { request: admitted.vm.request, reasons: infeasible };
    return refuse("INFEASIBLE", message, { details });
  }
  return accept<VmEvent>({ type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
}

/**
 * Decides a pause. For a VM that preemption holds paused, the user's pause is recorded too: the VM then stays paused
 * when it is reinstated.
 */
function decidePause(state: VmState, { vmId }: CommandOf<UserCommand, "pause">): VmDecision {
  const isHeldUnrecorded =
    state.exists && isHeldByPreemption(state) && state.preemption?.heldByUser === false;
  if (isHeldUnrecorded) return accept<VmEvent>({ type: "bioxen.vm.paused.v1", data: {} });
  const admitted = admit(vmId, state, "pause");
  return "answer" in admitted ? admitted.answer : accept<VmEvent>({ type: "bioxen.vm.paused.v1", data: {} });
}

/**
 * Decides a resume. A VM that preemption holds paused needs its resources back first: the command `reinstate` resumes
 * it.
 */
function decideResume(state: VmState, { vmId }: CommandOf<UserCommand, "resume">): VmDecision {
  const admitted = admit(vmId, state, "resume");
  if ("answer" in admitted) return admitted.answer;
  if (isHeldByPreemption(admitted.vm)) return preemptedMeanwhile(vmId);
  return accept<VmEvent>({ type: "bioxen.vm.resumed.v1", data: {} });
}

/**
 * Decides a stop. A stop under way can be shortened, by `force` or by a nearer deadline, but never extended: its guest
 * may be about to end. The default time of a guest is not known here, so any deadline can replace it.
 */
function decideStop(state: VmState, command: CommandOf<UserCommand, "stop">): VmDecision {
  const { vmId, deadlineMs, force, nowMs } = command;
  const limit = {
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(force === true ? { force } : {}),
  };
  const withinMs = deadlineMs ?? (force === true ? 0 : undefined);
  const requested = accept<VmEvent>({
    type: "bioxen.vm.stop-requested.v1",
    data: { destroy: false, ...limit },
  });
  if (state.exists && state.state === "stopping" && withinMs !== undefined) {
    const isSooner = nowMs + withinMs < (state.stopDeadline?.atMs ?? Number.POSITIVE_INFINITY);
    return isSooner ? requested : UNCHANGED;
  }
  const admitted = admit(vmId, state, "stop");
  return "answer" in admitted ? admitted.answer : requested;
}

/**
 * Decides a destroy. A VM with a guest is stopped first; the command `settle` then destroys it. A VM without a place whose
 * pool may have its machine is stopping until the agent of the pool has removed the machine.
 */
function decideDestroy(state: VmState, { vmId }: CommandOf<UserCommand, "destroy">): VmDecision {
  const admitted = admit(vmId, state, "destroy");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  const hasRemains = vm.chassisId !== null || vm.machineOn !== undefined;
  if (!hasRemains && vm.state !== "stopping") {
    return accept<VmEvent>({ type: "bioxen.vm.destroyed.v1", data: { reason: "by command" } });
  }
  if (vm.destroyRequested) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.stop-requested.v1", data: { destroy: true } });
}

/** Decides a transfer, which every state allows: owners concern no guest. */
function decideTransfer(state: VmState, { vmId, owner }: CommandOf<UserCommand, "transfer">): VmDecision {
  if (!state.exists) return noVm(vmId);
  if (state.owner === owner) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.transferred.v1", data: { owner } });
}

/**
 * Records what the ledger has granted. A retry may find an entry that another command has changed since. Then the VM
 * records the present amounts of the entry; if a preemption changed them, the command is rejected.
 */
function decideResize(
  state: VmState,
  { vmId, request, cell, granted, at, given }: CommandOf<UserCommand, "resize">,
): VmDecision {
  const isPreempted = state.exists && state.preemption?.active === true;
  if (granted !== null && isPreempted && !equalAmounts(granted.amounts, request)) {
    return preemptedMeanwhile(vmId);
  }
  const admitted = admit(vmId, state, "resize");
  if ("answer" in admitted) return admitted.answer;
  const { vm } = admitted;
  if ((granted?.fence ?? null) !== vm.fence) return placeChanged(vmId);
  const isSameCell = cell === undefined || equalAmounts(cell, vm.cell ?? {});
  const changed = isSameCell ? {} : { cell };
  if (granted === null) {
    if (equalAmounts(request, vm.request) && isSameCell) return UNCHANGED;
    return accept<VmEvent>({ type: "bioxen.vm.resized.v1", data: { request, allocation: null, ...changed } });
  }
  if (!isFollowedBy(vm, granted)) return preemptedMeanwhile(vmId);
  const { amounts } = granted;
  const hasCourse =
    vm.allocationCourse !== undefined || (given !== undefined && !equalAmounts(given, amounts));
  const isSame = equalAmounts(amounts, vm.allocation ?? {}) && equalAmounts(amounts, vm.request);
  if (isSame && isSameCell && !hasCourse) return UNCHANGED;
  const late = at === undefined ? undefined : minuteProblem(vmId, vm, at);
  if (late !== undefined) return late;
  if (at !== undefined && comingAmounts(vm, at).some((coming) => !fits(coming, amounts))) {
    return refuse("CONFLICT", `${vmId} has just been resized: try again`, { retryable: true });
  }
  const minute = at === undefined ? {} : { simMinute: at.simMinute };
  const other = at === undefined || given === undefined || equalAmounts(given, amounts) ? {} : { given };
  const data = { request: amounts, allocation: amounts, ...changed, ...minute, ...other };
  return accept<VmEvent>({ type: "bioxen.vm.resized.v1", data });
}

/** Decides a deferral: the reasons are recorded when their kinds change ({@link refusalKind}). */
function decideDefer(state: VmState, { reasons }: CommandOf<UserCommand, "defer">): VmDecision {
  if (!state.exists) return UNCHANGED;
  const recorded = state.state === "pending" ? state.refusals : refusalsOfMove(state);
  if (recorded === undefined || kindsOf(recorded) === kindsOf(reasons)) return UNCHANGED;
  return accept<VmEvent>({ type: "bioxen.vm.deferred.v1", data: { reasons: [...reasons] } });
}

/** Returns the recorded reasons why a move has no place yet; undefined when no move waits for a place. */
function refusalsOfMove({ migration }: Vm): readonly PlacementRefusal[] | undefined {
  return migration?.target === null ? migration.refusals : undefined;
}

function kindsOf(refusals: readonly PlacementRefusal[]): string {
  return refusals
    .map((refusal) => `${refusal.chassisId} ${refusalKind(refusal)}`)
    .sort()
    .join("\n");
}

export const USER_RULES: DecisionTable<VmState, UserCommand, VmEvent> = {
  create: decideCreate,
  start: decideStart,
  pause: decidePause,
  resume: decideResume,
  stop: decideStop,
  destroy: decideDestroy,
  transfer: decideTransfer,
  resize: decideResize,
  defer: decideDefer,
};
