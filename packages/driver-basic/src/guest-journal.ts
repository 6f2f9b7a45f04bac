/**
 * What acted on a guest from outside since its last restart point, each with its simulated minute.
 *
 * A guest whose Lua state was lost goes back to that point. It then computes the same course again, because its hooks
 * follow from its state, and everything else is in this journal.
 */
import type { CellAllocation, MediumFields } from "@bioxen/cell-models";
import type { GuestChange } from "@bioxen/vm-driver";
import { POINT_EVERY_ACTS, POINT_EVERY_MINUTES } from "./limits.ts";

export type Act =
  | { readonly kind: "allocation"; readonly allocation: CellAllocation }
  /** The whole environment; absent fields return to the default of the type. */
  | { readonly kind: "environment"; readonly environment: MediumFields }
  /** Some fields of the environment, or the whole allocation; `seq` is the number of the change. */
  | {
      readonly kind: "change";
      readonly seq: number;
      readonly environment?: MediumFields | undefined;
      readonly allocation?: CellAllocation | undefined;
    }
  /** A program of a user; its place is absent if it has run in this guest before. */
  | {
      readonly kind: "exec";
      readonly source: string;
      readonly place?: { readonly nth: number; readonly afterSeq: number } | undefined;
      /** After how many instructions it was ended by its limit of time; absent: it was not. */
      readonly endsAfter?: number | undefined;
    };
export type ExecAct = Extract<Act, { kind: "exec" }>;

export interface JournalEntry {
  /** The simulated minute at which it acted, after the hooks of this minute. */
  readonly minute: number;
  readonly act: Act;
}

/** A state to which a guest can go back. */
export interface RestartPoint {
  /** The checkpoint of that state; undefined for the state in which the guest started. */
  readonly checkpoint: Uint8Array | undefined;
  readonly allocation: CellAllocation;
  readonly simMinutes: number;
}

/** The restart point of a guest, and when it needs a newer one. */
export class RestartPoints {
  present: RestartPoint;
  #triedAt: number;
  #triedActs = 0;
  #isUnderWay = false;

  constructor(start: RestartPoint) {
    this.present = start;
    this.#triedAt = start.simMinutes;
  }

  /** Returns whether the last attempt to take a point is long ago; `acts` is the size of the journal. */
  isDue(simMinutes: number, acts: number): boolean {
    if (this.#isUnderWay) return false;
    return simMinutes - this.#triedAt >= POINT_EVERY_MINUTES || acts - this.#triedActs >= POINT_EVERY_ACTS;
  }

  /** Takes a newer point with `take` if the last one is old. If the state cannot be stored, the old point stays. */
  refresh(simMinutes: number, acts: number, take: () => Promise<unknown>): void {
    if (!this.isDue(simMinutes, acts)) return;
    this.#isUnderWay = true;
    this.#triedAt = simMinutes;
    this.#triedActs = acts;
    take()
      .catch(() => undefined)
      .finally(() => {
        this.#isUnderWay = false;
      });
  }

  take(point: RestartPoint): void {
    this.present = point;
    this.#triedAt = point.simMinutes;
    this.#triedActs = 0;
  }
}

export class GuestJournal {
  #entries: JournalEntry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Returns all entries in the order in which they acted. */
  entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** Adds an entry. A repeated allocation replaces the one before it at the same minute. */
  add(entry: JournalEntry): void {
    const last = this.#entries.at(-1);
    const isRepeated = entry.act.kind === "allocation" && last?.act.kind === "allocation";
    if (isRepeated && last?.minute === entry.minute) this.#entries.pop();
    this.#entries.push(entry);
  }

  clear(): void {
    this.#entries = [];
  }
}

/** Returns what a change does when its minute has come. */
export function actOf({ seq, environment, allocation, program }: GuestChange): Act {
  if (program === undefined) return { kind: "change", seq, environment, allocation };
  const { source, nth, afterSeq, instructions } = program;
  return { kind: "exec", source, place: { nth, afterSeq }, endsAfter: instructions };
}

/** Returns the entries with this one, in the order in which they act. */
export function withAct(entries: readonly JournalEntry[], entry: JournalEntry): readonly JournalEntry[] {
  const later = entries.findIndex((other) => actsAfter(other, entry));
  return entries.toSpliced(later < 0 ? entries.length : later, 0, entry);
}

function actsAfter(one: JournalEntry, other: JournalEntry): boolean {
  if (one.minute !== other.minute) return one.minute > other.minute;
  const [place, otherPlace] = [placeOf(one.act), placeOf(other.act)];
  if (place === undefined || otherPlace === undefined) return false;
  return place[0] !== otherPlace[0] ? place[0] > otherPlace[0] : place[1] > otherPlace[1];
}

/** Changes act in the order of their numbers, and a program acts after the change that its place names. */
function placeOf(act: Act): readonly [number, number] | undefined {
  if (act.kind === "change") return [act.seq, -1];
  return act.kind === "exec" && act.place !== undefined ? [act.place.afterSeq, act.place.nth] : undefined;
}
