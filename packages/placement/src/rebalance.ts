/**
 * Which running VMs would be better off elsewhere, for the sake of all: a few moves, each explained.
 *
 * Under `bin-pack` a chassis is worth emptying when everybody on it fits on others that are in use: the emptiest first, and none is
 * begun that cannot be finished. Under `spread` the fullest chassis gives to the emptiest that may take it, while that lowers the
 * fuller of the two by {@link LEAST_GAIN}. A move costs its VM a restart from its checkpoint, so little is asked at once, and
 * a VM that came to its place less than {@link COOL_DOWN_MS} ago is left there: else two policies, or two operators, would
 * have it travel for ever. Only cells move; what chose another policy for itself is left alone.
 */
import { MAX_REBALANCE_MOVES } from "@bioxen/contracts";
import { amountOf } from "@bioxen/kernel";
import { candidatesFor, planPlacements } from "./plan.ts";
import { builtInPolicy, FULL_SCORE, policyOf } from "./policy.ts";
import { type ChassisRoom, inOrderOfId, type WaitingVm } from "./snapshot.ts";

/** From one place to the next, ms: long against a boot and a checkpoint's interval, short against a working day. */
export const COOL_DOWN_MS = 600_000;
/** Of a chassis' offer, thousandths: a smaller difference is noise that the next start makes good. */
const LEAST_GAIN = 50;
/** VMs of one chassis that are tried: those that hold most. */
const MAX_TRIED = 64;

/** A VM in its place. */
export interface Resident {
  readonly vm: WaitingVm;
  readonly placedAtMs: number;
  /** False: it cannot be moved (no cell, on its way, being stopped, gave way to somebody). */
  readonly isMovable: boolean;
}

export interface ResidentRoom extends ChassisRoom {
  readonly residents: readonly Resident[];
}

export interface Move {
  readonly vmId: string;
  readonly fromChassisId: string;
  readonly toChassisId: string;
  readonly reason: string;
}

export interface Balance {
  /** Chassis that hold anybody. */
  readonly used: number;
  /** Difference in fullness between the fullest and the emptiest that take VMs, thousandths of the offer. */
  readonly spread: number;
}

export interface Rebalance {
  readonly moves: readonly Move[];
  readonly before: Balance;
  readonly after: Balance;
  /** VMs that would be moved if they had been longer where they are. */
  readonly coolingDown: number;
}

export interface RebalanceOptions {
  readonly policy: "bin-pack" | "spread";
  readonly nowMs: number;
  readonly maxMoves?: number;
}

export function planRebalance(chassis: readonly ResidentRoom[], options: RebalanceOptions): Rebalance {
  const plan = new Rebalancer(chassis, options);
  if (options.policy === "bin-pack") plan.pack();
  else plan.spread();
  return plan.result();
}

class Rebalancer {
  readonly #rooms = new Map<string, ResidentRoom>();
  readonly #options: RebalanceOptions;
  readonly #before: Balance;
  readonly #moves: Move[] = [];
  readonly #moved = new Set<string>();
  #left: number;

  constructor(chassis: readonly ResidentRoom[], options: RebalanceOptions) {
    for (const room of inOrderOfId(chassis) as readonly ResidentRoom[]) this.#rooms.set(room.chassisId, room);
    this.#options = options;
    this.#left = Math.min(MAX_REBALANCE_MOVES, options.maxMoves ?? MAX_REBALANCE_MOVES);
    this.#before = balanceOf([...this.#rooms.values()]);
  }

  result(): Rebalance {
    const rooms = [...this.#rooms.values()];
    const cooling = rooms.flatMap(({ residents }) =>
      residents.filter((one) => this.#wouldMove(one) && !this.#isCool(one)),
    );
    return { moves: this.#moves, before: this.#before, after: balanceOf(rooms), coolingDown: cooling.length };
  }

  /** Empties what can be emptied, the emptiest first; who moved in meanwhile makes a chassis one that is kept. */
  pack(): void {
    const emptiestFirst = [...this.#rooms.values()]
      .filter(({ residents }) => residents.length > 0)
      .sort((a, b) => fullnessOf(a) - fullnessOf(b) || (a.chassisId < b.chassisId ? -1 : 1));
    for (const { chassisId } of emptiestFirst) {
      const from = this.#rooms.get(chassisId);
      if (from === undefined || from.residents.length > this.#left) continue;
      if (from.residents.some((one) => !this.#mayMove(one))) continue;
      const others = [...this.#rooms.values()].filter((room) => room !== from && room.residents.length > 0);
      const vms = from.residents.map(({ vm }) => vm);
      const { placements } = planPlacements(vms, others, { policy: builtInPolicy("bin-pack") });
      if (placements.length < vms.length) continue;
      const reason = `${chassisId} can be emptied: all its ${vms.length} VMs fit on chassis that are in use`;
      for (const { vm, chassisId: toChassisId } of placements) this.#move(vm, chassisId, toChassisId, reason);
    }
  }

  spread(): void {
    while (this.#left > 0) {
      const fullestFirst = [...this.#rooms.values()].sort(
        (a, b) => fullnessOf(b) - fullnessOf(a) || (a.chassisId < b.chassisId ? -1 : 1),
      );
      if (!fullestFirst.some((from) => this.#giveFrom(from))) return;
    }
  }

  /** One move off this chassis to the emptiest that takes it, when that is worth it. */
  #giveFrom(from: ResidentRoom): boolean {
    const before = fullnessOf(from);
    const others = [...this.#rooms.values()].filter((room) => room !== from);
    const largestFirst = from.residents
      .filter((one) => this.#mayMove(one))
      .sort((a, b) => shareOf(b.vm, from) - shareOf(a.vm, from) || (a.vm.vmId < b.vm.vmId ? -1 : 1));
    for (const { vm } of largestFirst.slice(0, MAX_TRIED)) {
      const candidates = candidatesFor(vm, others, builtInPolicy("spread"));
      const [best] = candidates
        .filter(({ score }) => score !== null)
        .sort((a, b) => (b.score ?? 0) - (a.score ?? 0));
      const to = best && this.#rooms.get(best.chassisId);
      if (to === undefined) continue;
      const fuller = Math.max(
        fullnessOf(without(from, vm)),
        fullnessOf(withResident(to, vm, this.#options.nowMs)),
      );
      if (before - fuller < LEAST_GAIN) continue;
      const reason = `${from.chassisId} is ${percent(before)} full, ${to.chassisId} ${percent(fullnessOf(to))}: none of the two is above ${percent(fuller)} then`;
      this.#move(vm, from.chassisId, to.chassisId, reason);
      return true;
    }
    return false;
  }

  #move(vm: WaitingVm, fromChassisId: string, toChassisId: string, reason: string): void {
    const from = this.#rooms.get(fromChassisId);
    const to = this.#rooms.get(toChassisId);
    if (from === undefined || to === undefined) return;
    this.#rooms.set(fromChassisId, without(from, vm));
    this.#rooms.set(toChassisId, withResident(to, vm, this.#options.nowMs));
    this.#moves.push({ vmId: vm.vmId, fromChassisId, toChassisId, reason });
    this.#moved.add(vm.vmId);
    this.#left -= 1;
  }

  #mayMove(one: Resident): boolean {
    return this.#wouldMove(one) && this.#isCool(one);
  }

  #wouldMove({ vm, isMovable }: Resident): boolean {
    const { policy } = this.#options;
    return (
      isMovable && !this.#moved.has(vm.vmId) && policyOf(vm.placement, builtInPolicy(policy)).name === policy
    );
  }

  #isCool({ placedAtMs }: Resident): boolean {
    return this.#options.nowMs - placedAtMs >= COOL_DOWN_MS;
  }
}

function balanceOf(rooms: readonly ResidentRoom[]): Balance {
  const open = rooms.filter(({ closed }) => closed === undefined).map(fullnessOf);
  const spread = open.length === 0 ? 0 : Math.max(...open) - Math.min(...open);
  return { used: rooms.filter(({ residents }) => residents.length > 0).length, spread };
}

/** Thousandths in use of the tightest resource. */
function fullnessOf({ offered, room }: ChassisRoom): number {
  const parts = Object.entries(offered).map(([name, whole]) =>
    whole === 0 ? 0 : Math.floor(((whole - amountOf(room.free, name)) * FULL_SCORE) / whole),
  );
  return Math.max(0, ...parts);
}

/** Thousandths of the offer that one VM holds of the resource it holds most of. */
function shareOf({ request }: WaitingVm, { offered }: ChassisRoom): number {
  const parts = Object.entries(request).map(([name, n]) =>
    amountOf(offered, name) === 0 ? 0 : Math.floor((n * FULL_SCORE) / amountOf(offered, name)),
  );
  return Math.max(0, ...parts);
}

function percent(thousandths: number): string {
  return `${Math.round(thousandths / 10)} %`;
}

function without(room: ResidentRoom, vm: WaitingVm): ResidentRoom {
  return { ...changed(room, vm, -1), residents: room.residents.filter((one) => one.vm.vmId !== vm.vmId) };
}

function withResident(room: ResidentRoom, vm: WaitingVm, nowMs: number): ResidentRoom {
  const newcomer = { vm, placedAtMs: nowMs, isMovable: false };
  return { ...changed(room, vm, 1), residents: [...room.residents, newcomer] };
}

function changed(room: ResidentRoom, { request }: WaitingVm, sign: 1 | -1): ResidentRoom {
  const free: Record<string, number> = { ...room.room.free };
  for (const [name, n] of Object.entries(request)) free[name] = amountOf(free, name) - sign * n;
  return { ...room, room: { free, placesLeft: room.room.placesLeft - sign } };
}
