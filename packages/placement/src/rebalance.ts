/**
 * Rebalancing: a few moves of running VMs that bring the cluster closer to a policy, each with its reason.
 *
 * Under `bin-pack` a chassis is emptied when all of its VMs fit on other chassis in use, the emptiest chassis first. A
 * chassis is emptied completely or not at all. Under `spread` the fullest chassis gives VMs to the emptiest feasible
 * chassis, as long as each move lowers the fuller of the two by {@link LEAST_GAIN}. A plan has few moves, because each
 * move restarts its VM from the last checkpoint. A VM stays if its last placement is less than {@link COOL_DOWN_MS}
 * ago; otherwise two policies, or two operators, could move it back and forth forever. Only cells move. A VM that names
 * another policy stays.
 */
import { MAX_REBALANCE_MOVES } from "@bioxen/contracts";
import { amountOf } from "@bioxen/kernel";
import { candidatesFor, planPlacements } from "./plan.ts";
import { builtInPolicy, FULL_SCORE, policyOf } from "./policy.ts";
import { type ChassisRoom, inOrderOfId, type WaitingVm } from "./snapshot.ts";

/**
 * Shortest time between two placements of a VM, ms: long compared with a boot and a checkpoint interval, short compared
 * with a working day.
 */
export const COOL_DOWN_MS = 600_000;
/**
 * Smallest gain of a move, in thousandths of a chassis' offer. A smaller difference is noise that the next start can
 * even out.
 */
const LEAST_GAIN = 50;
/** Maximum number of VMs of one chassis that a search for a move tries, the largest first. */
const MAX_TRIED = 64;

/** A VM that has a place. */
export interface Resident {
  readonly vm: WaitingVm;
  readonly placedAtMs: number;
  /** False for a VM that is not a cell, is being moved or stopped, or was preempted. */
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
  /** Number of chassis with at least one VM. */
  readonly used: number;
  /** Difference in fullness between the fullest and the emptiest chassis that take VMs, in thousandths of the offer. */
  readonly spread: number;
}

export interface Rebalance {
  readonly moves: readonly Move[];
  readonly before: Balance;
  readonly after: Balance;
  /** Number of VMs that could be moved if their last placement were not so recent. */
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

  /**
   * Empties chassis, the emptiest first. A chassis that has received a VM of this plan is not emptied, because a VM
   * moves only once.
   */
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
      const reason = `${chassisId} can be emptied: all of its ${vms.length} VMs fit on other chassis in use`;
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

  /** Plans one move from this chassis to the emptiest feasible one; returns false when no move gains enough. */
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
      const reason =
        `${from.chassisId} is ${percent(before)} full and ${to.chassisId} ${percent(fullnessOf(to))}: ` +
        `the move leaves both at ${percent(fuller)} or less`;
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

/** Returns how full the tightest resource of the chassis is, in thousandths of the offer. */
function fullnessOf({ offered, room }: ChassisRoom): number {
  const parts = Object.entries(offered).map(([name, whole]) =>
    whole === 0 ? 0 : Math.floor(((whole - amountOf(room.free, name)) * FULL_SCORE) / whole),
  );
  return Math.max(0, ...parts);
}

/** Returns the VM's largest share of any resource of the chassis, in thousandths of the offer. */
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
