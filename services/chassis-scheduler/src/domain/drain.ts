/**
 * Decider of a drain, and the choice of the moves that the drain requests next.
 *
 * A drain owns no VM. It lists the VMs that must leave the chassis, records which of them have left, and requests a few
 * moves at a time. A drain ends in one of three ways: completed when the chassis is empty, incomplete at its deadline,
 * or cancelled by an operator. The requested moves are in the logs of their VMs, so a new lease holder continues from
 * there.
 */
import {
  type ChassisState,
  type Drain,
  type DrainEvent,
  type DrainState,
  describeRefusals,
  drainFold,
  type LeftVm,
  type Migration,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { accept, deciderOf, UNCHANGED } from "@bioxen/kernel";
import { chassisNotFound } from "./chassis.ts";

/**
 * Maximum number of VMs that one event names, so that the event fits in a message of 64 KB. A VM takes 70 bytes at
 * most. The next event names the remaining VMs.
 */
const MAX_NAMED = 500;
/** Maximum number of VMs that one event names with their reasons. Such a VM takes 350 bytes at most. */
const MAX_EXPLAINED = 150;
/** Maximum number of VMs that one event adds to a drain. The same event also names the VMs that left the drain. */
const MAX_JOINED = 100;
/** Maximum length of a reason in a drain event, characters. The state of the VM has the whole reason. */
const MAX_REASON = 200;

/** The VMs on a chassis, as the folds have them now. */
export interface Occupants {
  readonly chassisId: string;
  /** VMs with an entry in the chassis' ledger, and VMs whose state names the chassis. */
  readonly here: ReadonlySet<string>;
  readonly vm: (vmId: string) => VmState;
}

export type DrainCommand =
  | {
      readonly type: "start";
      readonly chassis: ChassisState;
      readonly occupants: Occupants;
      /** Maximum number of moves that are under way at once. */
      readonly parallelism: number;
      readonly deadlineAtMs: number;
    }
  | { readonly type: "cancel"; readonly chassis: ChassisState; readonly occupants: Occupants }
  /** Records what has happened to the VMs since the last event, or ends the drain. */
  | { readonly type: "advance"; readonly occupants: Occupants; readonly nowMs: number };

export const drainDecider = deciderOf<DrainState, DrainCommand, DrainEvent>(drainFold, {
  start(drain, { chassis, occupants, parallelism, deadlineAtMs }) {
    if (!chassis.registered) return chassisNotFound(occupants.chassisId);
    if (isDraining(drain)) return UNCHANGED;
    const vmIds = [...occupants.here].sort().slice(0, MAX_NAMED);
    const data = { vmIds, wasCordoned: chassis.cordoned, parallelism, deadlineAtMs };
    return accept<DrainEvent>({ type: "bioxen.drain.started.v1", data });
  },

  cancel(drain, { chassis, occupants }) {
    if (!chassis.registered) return chassisNotFound(occupants.chassisId);
    if (!isDraining(drain)) return UNCHANGED;
    const data = { left: leftSince(drain, occupants), uncordons: !drain.wasCordoned };
    return accept<DrainEvent>({ type: "bioxen.drain.cancelled.v1", data });
  },

  advance(drain, { occupants, nowMs }) {
    if (!isDraining(drain)) return UNCHANGED;
    const left = leftSince(drain, occupants);
    const joined = [...occupants.here].filter((vmId) => drain.vms[vmId] === undefined).sort();
    if (left.length + joined.length > 0) {
      const data = { left, joined: joined.slice(0, MAX_JOINED) };
      return accept<DrainEvent>({ type: "bioxen.drain.progressed.v1", data });
    }
    if (occupants.here.size === 0) return accept<DrainEvent>({ type: "bioxen.drain.completed.v1", data: {} });
    if (nowMs < drain.deadlineAtMs) return UNCHANGED;
    const remaining = [...occupants.here].sort().slice(0, MAX_EXPLAINED);
    const why = (vmId: string) => whyStillHere(occupants.vm(vmId)).slice(0, MAX_REASON);
    const data = { remaining: remaining.map((vmId) => ({ vmId, reason: why(vmId) })) };
    return accept<DrainEvent>({ type: "bioxen.drain.given-up.v1", data });
  },
});

export function isDraining(drain: DrainState): drain is Drain {
  return drain.exists && drain.status === "draining";
}

/** Returns the VMs that have left the chassis and that the drain does not list as left yet. */
function leftSince(drain: Drain, { here, vm }: Occupants): ({ vmId: string } & LeftVm)[] {
  const left = Object.keys(drain.vms).filter((vmId) => drain.vms[vmId] === null && !here.has(vmId));
  return left.slice(0, MAX_EXPLAINED).map((vmId) => ({ vmId, ...departureOf(vm(vmId)) }));
}

function departureOf(vm: VmState): LeftVm {
  if (!vm.exists) return { toChassisId: null, reason: "the VM no longer exists" };
  if (vm.chassisId !== null) return { toChassisId: vm.chassisId, reason: null };
  const reason = `it is ${vm.state}${vm.reason === null ? "" : `: ${vm.reason}`}`;
  return { toChassisId: null, reason: reason.slice(0, MAX_REASON) };
}

/** Returns why a VM is still on the chassis, as a phrase for operators. */
export function whyStillHere(vm: VmState): string {
  if (!vm.exists) return "its reservation is about to be released";
  const { migration } = vm;
  if (migration !== null) return whyNotMoved(migration);
  if (!isMovable(vm)) return `it is ${vm.state}`;
  return vm.reason ?? "it waits for its turn";
}

function whyNotMoved({ target, refusals }: Migration): string {
  if (target !== null) return `it is being handed over to ${target.chassisId}`;
  if (refusals.length === 0) return "it waits for a place";
  return `no chassis takes it: ${describeRefusals(refusals)}`;
}

/**
 * Returns true for a cell that runs or is paused: its state can be handed over to another chassis. A drain waits while
 * a VM is starting or stopping.
 */
function isMovable({ state, vmType }: Vm): boolean {
  return vmType === "basic" && (state === "running" || state === "paused");
}

/**
 * Returns the VMs whose move must be requested now, highest priority first, so that `parallelism` moves are under way.
 *
 * A VM that no chassis takes keeps running and does not count as under way, so it blocks no other VM. `isBackingOff` is
 * true for a VM whose last move has failed a moment ago.
 */
export function movesDue(
  drain: Drain,
  occupants: Occupants,
  isBackingOff: (vmId: string) => boolean,
): readonly string[] {
  const vms = residents(occupants);
  const underWay = vms.filter(([, { migration }]) => isUnderWay(migration)).length;
  return vms
    .filter(([vmId, vm]) => isMovable(vm) && vm.migration === null && !isBackingOff(vmId))
    .sort(([a, x], [b, y]) => y.priority - x.priority || (a < b ? -1 : 1))
    .slice(0, Math.max(0, drain.parallelism - underWay))
    .map(([vmId]) => vmId);
}

function isUnderWay(migration: Migration | null): boolean {
  return migration !== null && (migration.target !== null || migration.refusals.length === 0);
}

/** Returns the VMs with an unfinished move that an ended drain requested; none while the drain is in progress. */
export function movesToCancel(drain: DrainState, occupants: Occupants): readonly string[] {
  if (isDraining(drain)) return [];
  return residents(occupants).flatMap(([vmId, { migration }]) => (migration?.code === "DRAIN" ? [vmId] : []));
}

/**
 * Returns the VMs whose state names the chassis. Other occupants have only a ledger entry: they are coming, or have
 * just left.
 */
function residents({ chassisId, here, vm }: Occupants): [string, Vm][] {
  return [...here].flatMap((vmId): [string, Vm][] => {
    const state = vm(vmId);
    return state.exists && state.chassisId === chassisId ? [[vmId, state]] : [];
  });
}
