/**
 * What may happen to the drain of a chassis, and what is to be done about it next.
 *
 * A drain owns no VM. It compares who was to leave with who is still there, writes down who has gone, asks for a few moves at a time,
 * and ends: completed when nobody is left, incomplete at its deadline, cancelled when nobody wants it any more. What it asked for is
 * in the VMs' own stories, so that whoever takes over from a scheduler that died goes on from there.
 */
import {
  type Chassis,
  type ChassisState,
  type Drain,
  type DrainEvent,
  type DrainState,
  describeRefusals,
  type LeftVm,
  MAX_PAGE,
  type Migration,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import { accept, type Decision, UNCHANGED } from "@bioxen/kernel";
import { type ChassisDecision, decideCordon, notFound } from "./chassis.ts";

export type DrainDecision = Decision<DrainEvent>;

/** VMs that one event names: more follow in the next, none grows beyond a message. */
const MAX_NAMED = MAX_PAGE;

/** The chassis as it is now. */
export interface DrainPicture {
  readonly chassisId: string;
  /** Who has an entry in its ledger, or says that it lives there. */
  readonly here: ReadonlySet<string>;
  readonly vm: (vmId: string) => VmState;
}

export interface DrainWish {
  readonly parallelism: number;
  readonly deadlineAtMs: number;
}

export function isDraining(drain: DrainState): drain is Drain {
  return drain.exists && drain.status === "draining";
}

export function decideDrain(
  chassisId: string,
  drain: DrainState,
  chassis: ChassisState,
  { here }: DrainPicture,
  { parallelism, deadlineAtMs }: DrainWish,
): DrainDecision {
  if (!chassis.registered) return notFound(chassisId);
  if (isDraining(drain)) return UNCHANGED;
  const vmIds = [...here].sort().slice(0, MAX_NAMED);
  const data = { vmIds, wasCordoned: chassis.cordoned, parallelism, deadlineAtMs };
  return accept<DrainEvent>({ type: "bioxen.drain.started.v1", data });
}

export function decideCancelDrain(
  chassisId: string,
  drain: DrainState,
  chassis: ChassisState,
  picture: DrainPicture,
): DrainDecision {
  if (!chassis.registered) return notFound(chassisId);
  if (!isDraining(drain)) return UNCHANGED;
  const data = { left: leftOf(drain, picture), uncordons: !drain.wasCordoned };
  return accept<DrainEvent>({ type: "bioxen.drain.cancelled.v1", data });
}

/** What the drain has to say now, without being asked. */
export function decideDrainStep(drain: DrainState, picture: DrainPicture, nowMs: number): DrainDecision {
  if (!isDraining(drain)) return UNCHANGED;
  const left = leftOf(drain, picture);
  const joined = [...picture.here].filter((vmId) => drain.vms[vmId] === undefined).sort();
  if (left.length + joined.length > 0) {
    const data = { left, joined: joined.slice(0, MAX_NAMED) };
    return accept<DrainEvent>({ type: "bioxen.drain.progressed.v1", data });
  }
  if (picture.here.size === 0) return accept<DrainEvent>({ type: "bioxen.drain.completed.v1", data: {} });
  if (nowMs < drain.deadlineAtMs) return UNCHANGED;
  const remaining = [...picture.here].sort().slice(0, MAX_NAMED);
  const data = { remaining: remaining.map((vmId) => ({ vmId, reason: whyHere(picture.vm(vmId)) })) };
  return accept<DrainEvent>({ type: "bioxen.drain.given-up.v1", data });
}

/** Who has gone and is not written down as gone. */
function leftOf(drain: Drain, { here, vm }: DrainPicture): ({ vmId: string } & LeftVm)[] {
  const gone = Object.keys(drain.vms).filter((vmId) => drain.vms[vmId] === null && !here.has(vmId));
  return gone.slice(0, MAX_NAMED).map((vmId) => ({ vmId, ...whereTo(vm(vmId)) }));
}

function whereTo(vm: VmState): LeftVm {
  if (!vm.exists) return { toChassisId: null, reason: "there is no such VM any more" };
  if (vm.chassisId !== null) return { toChassisId: vm.chassisId, reason: null };
  return { toChassisId: null, reason: `it is ${vm.state}${vm.reason === null ? "" : `: ${vm.reason}`}` };
}

/** Why a VM is still there, for people. */
export function whyHere(vm: VmState): string {
  if (!vm.exists) return "its place is about to be given back";
  const { migration } = vm;
  if (migration !== null) return whyMoving(migration);
  if (!isMovable(vm)) return `it is ${vm.state}`;
  return vm.reason ?? "its turn has not come";
}

function whyMoving({ target, refusals }: Migration): string {
  if (target !== null) return `it is being handed over to ${target.chassisId}`;
  if (refusals.length === 0) return "a place is looked for";
  return `no chassis takes it: ${describeRefusals(refusals)}`;
}

/** It runs there, or is paused, and is not on its way yet. Who starts or stops is waited for. */
function isMovable({ state, vmType }: Vm): boolean {
  return vmType === "basic" && (state === "running" || state === "paused");
}

/**
 * Whose move is to be asked for now: higher priority first, so many that `parallelism` are under way. Who waits for a place in vain runs
 * on meanwhile, and keeps nobody from going. `isResting`: its last move failed a moment ago.
 */
export function movesDue(
  drain: Drain,
  picture: DrainPicture,
  isResting: (vmId: string) => boolean,
): readonly string[] {
  const vms = residents(picture);
  const underWay = vms.filter(([, { migration }]) => isUnderWay(migration)).length;
  return vms
    .filter(([vmId, one]) => isMovable(one) && one.migration === null && !isResting(vmId))
    .sort(([a, x], [b, y]) => y.priority - x.priority || (a < b ? -1 : 1))
    .slice(0, Math.max(0, drain.parallelism - underWay))
    .map(([vmId]) => vmId);
}

function isUnderWay(migration: Migration | null): boolean {
  return migration !== null && (migration.target !== null || migration.refusals.length === 0);
}

/** Moves that this chassis' drain asked for, once there is none that goes on. */
export function movesToTakeBack(drain: DrainState, picture: DrainPicture): readonly string[] {
  if (isDraining(drain)) return [];
  return residents(picture).flatMap(([vmId, { migration }]) => (migration?.code === "DRAIN" ? [vmId] : []));
}

/** Who lives there. Others have an entry because they are to come, or have just gone. */
function residents({ chassisId, here, vm }: DrainPicture): [string, Vm][] {
  return [...here].flatMap((vmId): [string, Vm][] => {
    const state = vm(vmId);
    return state.exists && state.chassisId === chassisId ? [[vmId, state]] : [];
  });
}

/**
 * Nobody is placed there while it is drained. It is closed once: if it was, and somebody has opened it again, the drain has ended, and
 * only this instance has not heard of that yet.
 */
export function decideClose(chassisId: string, drain: Drain, chassis: ChassisState): ChassisDecision {
  const isSince = (seq = 0) => seq > drain.startedSeq;
  const isOver = chassis.registered && isSince(chassis.cordonedSeq) && isSince(chassis.uncordonedSeq);
  return isOver ? UNCHANGED : decideCordon(chassisId, chassis);
}

/** A cancelled drain takes its own cordon back, also one that came after its end, and nobody else's later one. */
export function isToUncordon(drain: DrainState, chassis: ChassisState): chassis is Chassis {
  if (!drain.exists || drain.status !== "cancelled" || drain.wasCordoned || drain.ended === null)
    return false;
  if (!chassis.registered || !chassis.cordoned) return false;
  const isOwn = chassis.cordonedChain === drain.startedBy.correlationid;
  return isOwn || (chassis.cordonedSeq ?? 0) < drain.ended.seq;
}
