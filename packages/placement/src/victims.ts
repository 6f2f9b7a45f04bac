/**
 * Chooses which VMs on one chassis give up resources for a VM that needs room there.
 *
 * Every VM of lower priority can be starved, paused or evicted. The choice first finds the mildest mode that would make
 * enough room if it applied to all of these VMs; no victim gets a harder mode. Then each victim, from the most precious
 * to the cheapest, is spared if the others suffice without it. The remaining victims are replaced by smaller ones where
 * those suffice, and each gets the mildest mode that still suffices. So no victim could be left out or treated more
 * mildly, and none has a higher priority than necessary. The choice minimises neither the number of victims nor the
 * total amount taken: that is a knapsack problem, and a plan must be ready within milliseconds.
 */
import { keptUnder, PREEMPTION_MODES, type PreemptionMode, type Room, type Vm } from "@bioxen/contracts";
import { type Amounts, amountOf, subtract } from "@bioxen/kernel";

/**
 * Maximum number of VMs of one chassis that are considered as victims; the cheapest are considered first. The maximum
 * is 20 times the number of VMs that fills a cell chassis of the catalogue. The time of a choice grows with the square
 * of this number. A lower maximum could miss small victims on a large chassis.
 */
const MAX_HOLDERS = 512;

/** The resources that a VM gives up under one mode. */
export interface Concession {
  readonly mode: PreemptionMode;
  readonly frees: Amounts;
  /** The number of VM places that become free: 1 for an eviction, else 0. */
  readonly places: 0 | 1;
}

/** A VM that could give way to others. */
export interface Holder {
  readonly vmId: string;
  readonly fence: number;
  readonly priority: number;
  readonly sinceMs: number;
  /**
   * The concessions of the VM, the mildest first. Each frees at least as much of every resource as the one before it.
   */
  readonly concessions: readonly Concession[];
}

export interface Victim {
  readonly vmId: string;
  readonly fence: number;
  readonly priority: number;
  readonly mode: PreemptionMode;
  readonly frees: Amounts;
}

/**
 * True when the VM can give up resources now. A VM that is starting or stopping holds resources too, but cannot give
 * them up.
 */
export function canGiveWay({ state }: Pick<Vm, "state">): boolean {
  return state === "running" || state === "paused";
}

/** Returns the VM with the concessions that it can make; undefined when nothing can be taken from it at present. */
export function holderOf(vmId: string, vm: Vm): Holder | undefined {
  const { allocation, fence, priority } = vm;
  if (!canGiveWay(vm) || allocation === null || fence === null) return undefined;
  const concessions = PREEMPTION_MODES.flatMap((mode): Concession[] => {
    const kept = keptUnder(mode, vm);
    if (kept === undefined) return [];
    const places = mode === "evict" ? 1 : 0;
    return [{ mode, places, frees: mode === "evict" ? allocation : subtract(allocation, kept) }];
  });
  return { vmId, fence, priority, sinceMs: vm.createdAtMs, concessions: risingIn(concessions) };
}

/**
 * Returns the useful concessions. A concession is left out when a milder one frees more of some resource. For example,
 * starving with a guarantee of 0 frees more than a pause.
 */
function risingIn(concessions: readonly Concession[]): Concession[] {
  const rising: Concession[] = [];
  for (const one of concessions) {
    const isMore = rising.every((milder) =>
      Object.entries(milder.frees).every(([name, n]) => n <= amountOf(one.frees, name)),
    );
    if (isMore) rising.push(one);
  }
  return rising;
}

/**
 * Returns the mildest set of victims that makes `request` fit into `room`; undefined when all holders together would
 * not suffice.
 */
export function chooseVictims(
  request: Amounts,
  room: Room,
  holders: readonly Holder[],
): readonly Victim[] | undefined {
  const cheapestFirst = [...holders].sort(byPrice).slice(0, MAX_HOLDERS);
  for (const hardest of PREEMPTION_MODES) {
    const choice = new Choice(request, room, hardest, cheapestFirst);
    if (!choice.suffices()) continue;
    choice.spare();
    choice.swap();
    choice.spare();
    choice.soften();
    return choice.victims();
  }
  return undefined;
}

/** Sorts the cheaper victim first: the VM of lower priority, then the younger VM. */
function byPrice(a: Holder, b: Holder): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.sinceMs !== b.sinceMs) return b.sinceMs - a.sinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

const MODE_RANK: Readonly<Record<PreemptionMode, number>> = { starve: 0, pause: 1, evict: 2 };

/**
 * The chosen victims and their concessions. A choice begins with every VM under the hardest allowed mode, and is then
 * reduced step by step.
 */
class Choice {
  readonly #chosen = new Map<Holder, Concession>();
  readonly #left = new Map<Holder, Concession>();
  readonly #help = new Map<Concession, Help>();
  readonly #needs: readonly (readonly [name: string, amount: number])[];
  readonly #free: Record<string, number>;
  #places: number;

  constructor(request: Amounts, room: Room, hardest: PreemptionMode, holders: readonly Holder[]) {
    this.#needs = Object.entries(request).filter(([, amount]) => amount > 0);
    this.#free = Object.fromEntries(this.#needs.map(([name]) => [name, amountOf(room.free, name)]));
    this.#places = room.placesLeft;
    const lacking = this.#needs.filter(([name, amount]) => amount > (this.#free[name] ?? 0));
    const concessions = holders.flatMap((holder): [Holder, Concession][] => {
      const given = holder.concessions.findLast(({ mode }) => MODE_RANK[mode] <= MODE_RANK[hardest]);
      return given === undefined ? [] : [[holder, given]];
    });
    for (const [, given] of concessions) {
      this.#help.set(given, helpOf(given, lacking, room));
    }
    for (const [holder, given] of concessions) this.#take(holder, given);
  }

  suffices(): boolean {
    return this.#places >= 1 && this.#needs.every(([name, amount]) => amount <= (this.#free[name] ?? 0));
  }

  #take(holder: Holder, given: Concession): void {
    this.#chosen.set(holder, given);
    this.#left.delete(holder);
    this.#count(given, 1);
  }

  #release(holder: Holder, given: Concession): void {
    this.#chosen.delete(holder);
    this.#left.set(holder, given);
    this.#count(given, -1);
  }

  #count({ frees, places }: Concession, sign: 1 | -1): void {
    for (const [name] of this.#needs)
      this.#free[name] = (this.#free[name] ?? 0) + sign * amountOf(frees, name);
    this.#places += sign * places;
  }

  /**
   * Returns the victims, the most precious first: the higher priority, then the smaller contribution to the shortage
   * (so that few victims remain), then the larger concession, then the older VM.
   */
  #preciousFirst(): [Holder, Concession][] {
    return [...this.#chosen].sort(([a, concessionA], [b, concessionB]) => {
      const [helpA, helpB] = [this.#helpOf(concessionA), this.#helpOf(concessionB)];
      const byHelp = helpA.help - helpB.help || helpB.size - helpA.size;
      return b.priority - a.priority || byHelp || -byPrice(a, b);
    });
  }

  #helpOf(given: Concession): Help {
    return this.#help.get(given) ?? NO_HELP;
  }

  /**
   * Spares every victim that is not needed because the others suffice. One pass is enough: a victim that is needed now
   * is also needed after other victims have been spared.
   */
  spare(): void {
    for (const [holder, given] of this.#preciousFirst()) {
      this.#release(holder, given);
      if (!this.suffices()) this.#take(holder, given);
    }
  }

  /**
   * Replaces each victim by the smallest VM that also suffices, if there is one. The replacement is smaller than the
   * victim and has no higher priority.
   */
  swap(): void {
    const size = (given: Concession) => this.#helpOf(given).size;
    const smallFirst = [...this.#left].sort(
      ([a, concessionA], [b, concessionB]) => size(concessionA) - size(concessionB) || byPrice(a, b),
    );
    for (const [holder, given] of this.#preciousFirst()) {
      this.#release(holder, given);
      const smaller = smallFirst.find(([other, concession]) => {
        if (!this.#left.has(other) || other.priority > holder.priority) return false;
        if (size(concession) >= size(given)) return false;
        this.#count(concession, 1);
        const isEnough = this.suffices();
        this.#count(concession, -1);
        return isEnough;
      });
      if (smaller === undefined) this.#take(holder, given);
      else this.#take(...smaller);
    }
  }

  /** Gives each victim the mildest mode that still suffices. */
  soften(): void {
    for (const [holder, given] of this.#preciousFirst()) {
      for (const milder of holder.concessions) {
        if (milder === given) break;
        this.#release(holder, given);
        this.#take(holder, milder);
        if (this.suffices()) break;
        this.#release(holder, milder);
        this.#take(holder, given);
      }
    }
  }

  victims(): Victim[] {
    return [...this.#chosen]
      .sort(([a], [b]) => byPrice(a, b))
      .map(([{ vmId, fence, priority }, { mode, frees }]) => ({ vmId, fence, priority, mode, frees }));
  }
}

/**
 * How much a concession contributes to the shortages. Each missing resource counts in thousandths of its shortage, and
 * these numbers are summed. `help` counts each resource up to its shortage only; `size` counts the whole concession.
 */
interface Help {
  readonly help: number;
  readonly size: number;
}

const NO_HELP: Help = { help: 0, size: 0 };

function helpOf(
  { frees, places }: Concession,
  lacking: readonly (readonly [string, number])[],
  room: Room,
): Help {
  let help = room.placesLeft < 1 ? 1_000 * places : 0;
  let size = help;
  for (const [name, amount] of lacking) {
    const lack = amount - amountOf(room.free, name);
    const given = Math.floor((1_000 * amountOf(frees, name)) / lack);
    help += Math.min(1_000, given);
    size += given;
  }
  return { help, size };
}
