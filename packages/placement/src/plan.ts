/**
 * Who goes where: a pure plan out of a view of the cluster. Nothing is promised by it; the allocator disposes.
 *
 * VMs are taken in order of priority (5 first), then of waiting time, then of id. Each gets the feasible chassis that
 * its policy scores highest (`policy.ts`), ties by id. What it takes is counted for those that follow. A VM that fits nowhere does not hold up smaller ones behind it: they could not
 * have served it, and a chassis that stands empty serves nobody.
 */
import {
  type Chassis,
  type Misfit,
  mismatchOf,
  type PlacementPolicy,
  type PlacementRefusal,
  type Room,
  roomFor,
} from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import { DEFAULT_POLICY, policyOf, scoreOf } from "./policy.ts";

/** Events gather this long before a plan is made, ms: a burst of starts is planned together. */
export const GATHER_MS = 2;

export interface WaitingVm {
  readonly vmId: string;
  readonly incarnation: number;
  readonly vmType: "basic" | "xcpng";
  readonly request: Amounts;
  readonly placement: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly waitingSinceMs: number;
}

export interface ChassisRoom {
  readonly chassisId: string;
  readonly chassis: Chassis;
  readonly offered: Amounts;
  readonly room: Room;
  /** Why it takes nobody now (cordoned, silent); undefined when it does. */
  readonly closed?: Misfit | undefined;
}

export interface Candidate {
  readonly chassisId: string;
  /** null: refused. */
  readonly score: number | null;
  readonly refusal: PlacementRefusal | null;
}

export interface Placement {
  readonly vm: WaitingVm;
  readonly chassisId: string;
  readonly score: number;
}

export interface Plan {
  readonly placements: readonly Placement[];
  readonly deferrals: readonly { readonly vmId: string; readonly reasons: readonly PlacementRefusal[] }[];
  readonly scores: Readonly<Record<string, readonly Candidate[]>>;
}

export function byUrgency(a: WaitingVm, b: WaitingVm): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.waitingSinceMs !== b.waitingSinceMs) return a.waitingSinceMs - b.waitingSinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

/** Every chassis with its score for this VM, or its refusal. `otherwise`: the policy of a VM that chose none. */
export function candidatesFor(
  vm: WaitingVm,
  rooms: readonly ChassisRoom[],
  otherwise: PlacementPolicy = DEFAULT_POLICY,
): Candidate[] {
  const policy = policyOf(vm.placement, otherwise);
  return rooms.map(({ chassisId, chassis, offered, room, closed }) => {
    const misfit = mismatchOf(vm, chassisId, chassis) ?? closed ?? roomFor(vm.request, room);
    if (misfit !== undefined) return { chassisId, score: null, refusal: { chassisId, ...misfit } };
    return { chassisId, score: scoreOf(policy, vm.request, room, offered), refusal: null };
  });
}

export function planPlacements(
  waiting: readonly WaitingVm[],
  chassis: readonly ChassisRoom[],
  otherwise: PlacementPolicy = DEFAULT_POLICY,
): Plan {
  const rooms = [...chassis].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1));
  const placements: Placement[] = [];
  const deferrals: { vmId: string; reasons: readonly PlacementRefusal[] }[] = [];
  const scores: Record<string, readonly Candidate[]> = {};
  for (const vm of [...waiting].sort(byUrgency)) {
    const candidates = candidatesFor(vm, rooms, otherwise);
    scores[vm.vmId] = candidates;
    const best = bestOf(candidates);
    if (best === undefined) {
      deferrals.push({ vmId: vm.vmId, reasons: reasonsOf(candidates) });
      continue;
    }
    placements.push({ vm, chassisId: best.chassisId, score: best.score });
    const at = rooms.findIndex((room) => room.chassisId === best.chassisId);
    const taken = rooms[at];
    if (taken !== undefined) rooms[at] = { ...taken, room: after(taken.room, vm.request) };
  }
  return { placements, deferrals, scores };
}

function bestOf(candidates: readonly Candidate[]): { chassisId: string; score: number } | undefined {
  let best: { chassisId: string; score: number } | undefined;
  for (const { chassisId, score } of candidates) {
    if (score !== null && (best === undefined || score > best.score)) best = { chassisId, score };
  }
  return best;
}

function reasonsOf(candidates: readonly Candidate[]): readonly PlacementRefusal[] {
  if (candidates.length === 0) {
    return [{ chassisId: null, code: "CHASSIS_NOT_FOUND", message: "no chassis is registered" }];
  }
  return candidates.flatMap(({ refusal }) => (refusal === null ? [] : [refusal]));
}

function after(room: Room, request: Amounts): Room {
  const free: Record<string, number> = { ...room.free };
  for (const [name, amount] of Object.entries(request)) free[name] = (free[name] ?? 0) - amount;
  return { free, placesLeft: room.placesLeft - 1 };
}

/** The placements of a plan as proposals: per chassis, in the plan's order, at most `maxBatch` in one. None is left out. */
export function batchesOf(
  placements: readonly Placement[],
  maxBatch: number,
): { readonly chassisId: string; readonly placements: readonly Placement[] }[] {
  const perChassis = Map.groupBy(placements, (placement) => placement.chassisId);
  return [...perChassis].flatMap(([chassisId, all]) =>
    Array.from({ length: Math.ceil(all.length / maxBatch) }, (_, i) => ({
      chassisId,
      placements: all.slice(i * maxBatch, (i + 1) * maxBatch),
    })),
  );
}
