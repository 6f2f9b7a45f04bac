/**
 * Who on one chassis gives way to a VM that needs room there: the least that suffices, from those it costs least.
 *
 * Everybody of lower priority could be starved, paused or evicted. The mildest of these that would suffice if all did it sets how
 * hard it may get. Then, from the most precious victim to the least, each is let off when the others suffice without it; what is
 * left is swapped for smaller ones where they do, and each of it gets off as mildly as still suffices. So no victim could be
 * left out, or treated milder, and none has a higher priority than it takes. It is not the least number of victims, nor
 * the least total: that is a knapsack, and a plan has milliseconds.
 */
import { keptUnder, PREEMPTION_MODES, type PreemptionMode, type Room, type Vm } from "@bioxen/contracts";
import { type Amounts, amountOf, subtract } from "@bioxen/kernel";

/**
 * Holders of one chassis that are weighed as victims, the cheapest first: 20 times what a cell chassis of the catalogue is filled by.
 * More costs time that grows with its square; less may miss the small victims of a large one.
 */
const MAX_HOLDERS = 512;

/** What a holder gives up under one mode. */
export interface Concession {
  readonly mode: PreemptionMode;
  readonly frees: Amounts;
  /** Its place among the VMs of the chassis: only who is evicted leaves one. */
  readonly places: 0 | 1;
}

/** A VM that holds something that others may need. */
export interface Holder {
  readonly vmId: string;
  readonly fence: number;
  readonly priority: number;
  readonly sinceMs: number;
  /** From the mildest; each frees at least what the one before it frees. */
  readonly concessions: readonly Concession[];
}

export interface Victim {
  readonly vmId: string;
  readonly fence: number;
  readonly priority: number;
  readonly mode: PreemptionMode;
  readonly frees: Amounts;
}

/** One that starts or stops holds something too, and gives it to nobody. */
export function canGiveWay({ state }: Pick<Vm, "state">): boolean {
  return state === "running" || state === "paused";
}

/** What can be asked of a VM; undefined of one that holds nothing that could be taken now. */
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

/** Without those that free less of something than a milder one: a guarantee of nothing starves further than a pause. */
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

/** Mildest set of `holders` whose concessions make `request` fit `room`; undefined when all of them together would not. */
export function chooseVictims(
  request: Amounts,
  room: Room,
  holders: readonly Holder[],
): readonly Victim[] | undefined {
  const cheapestFirst = [...holders].sort(byPrice).slice(0, MAX_HOLDERS);
  for (const hardest of PREEMPTION_MODES) {
    const choice = new Choice(request, room, hardest, cheapestFirst);
    if (!choice.suffices()) continue;
    choice.letOff();
    choice.swap();
    choice.letOff();
    choice.soften();
    return choice.victims();
  }
  return undefined;
}

/** The cheaper victim first: lower priority, then the younger. */
function byPrice(a: Holder, b: Holder): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  if (a.sinceMs !== b.sinceMs) return b.sinceMs - a.sinceMs;
  return a.vmId < b.vmId ? -1 : 1;
}

const MODE_RANK: Readonly<Record<PreemptionMode, number>> = { starve: 0, pause: 1, evict: 2 };

/** A set of concessions, and whether it suffices. */
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
    const gifts = holders.flatMap((holder): [Holder, Concession][] => {
      const given = holder.concessions.findLast(({ mode }) => MODE_RANK[mode] <= MODE_RANK[hardest]);
      return given === undefined ? [] : [[holder, given]];
    });
    for (const [, given] of gifts) {
      this.#help.set(given, helpOf(given, lacking, room));
    }
    for (const [holder, given] of gifts) this.#take(holder, given);
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
   * The most precious first: higher priority; among equals who helps least, so that few remain; then who gives more than is
   * lacking; then the older.
   */
  #preciousFirst(): [Holder, Concession][] {
    return [...this.#chosen].sort(([a, giftA], [b, giftB]) => {
      const [helpA, helpB] = [this.#helpOf(giftA), this.#helpOf(giftB)];
      const byHelp = helpA.help - helpB.help || helpB.size - helpA.size;
      return b.priority - a.priority || byHelp || -byPrice(a, b);
    });
  }

  #helpOf(given: Concession): Help {
    return this.#help.get(given) ?? NO_HELP;
  }

  /** Lets off everybody whom the others do not need. One pass is enough: with fewer victims nobody becomes dispensable. */
  letOff(): void {
    for (const [holder, given] of this.#preciousFirst()) {
      this.#release(holder, given);
      if (!this.suffices()) this.#take(holder, given);
    }
  }

  /** A victim that gives more than is needed makes way for the smallest, of no higher priority, that will do. */
  swap(): void {
    const size = (given: Concession) => this.#helpOf(given).size;
    const smallFirst = [...this.#left].sort(
      ([a, giftA], [b, giftB]) => size(giftA) - size(giftB) || byPrice(a, b),
    );
    for (const [holder, given] of this.#preciousFirst()) {
      this.#release(holder, given);
      const smaller = smallFirst.find(([other, gift]) => {
        if (!this.#left.has(other) || other.priority > holder.priority) return false;
        if (size(gift) >= size(given)) return false;
        this.#count(gift, 1);
        const isEnough = this.suffices();
        this.#count(gift, -1);
        return isEnough;
      });
      if (smaller === undefined) this.#take(holder, given);
      else this.#take(...smaller);
    }
  }

  /** Each gets off as mildly as still suffices. */
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

/** In thousandths of each lack, summed: what a concession makes up for, and all it gives of what is lacking. */
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
