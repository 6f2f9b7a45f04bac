/**
 * The changes of one guest at minutes of its simulated time: which it has got, which have acted at the present minute,
 * and the minutes at which it waits for one. Also how many programs of users have run at the present minute.
 */
import type { GuestChange, GuestSpec, ProgramPlace } from "@bioxen/vm-driver";

export class GuestChanges {
  #newest = Number.NEGATIVE_INFINITY;
  #minute = 0;
  #actedNow: readonly number[] = [];
  #programsNow = 0;
  #held: readonly number[] = [];

  /** Returns true if the guest has got this change or a newer one. */
  has(seq: number): boolean {
    return seq <= this.#newest || this.#actedNow.includes(seq);
  }

  /** Notes that the guest gets the change. */
  take(seq: number): void {
    this.#newest = seq;
  }

  acted(seq: number, minute: number): void {
    this.#enter(minute);
    this.#actedNow = [...this.#actedNow, seq];
  }

  /** Notes that a program of a user has run at this minute, as the `nth` or the next one. Returns its place. */
  ran(minute: number, nth?: number): ProgramPlace {
    this.#enter(minute);
    const place = { nth: nth ?? this.#programsNow, afterSeq: Math.max(0, ...this.#actedNow) };
    this.#programsNow = place.nth + 1;
    return place;
  }

  /** Returns true if the guest, which is at this minute, has run the program of the change. */
  hasRun({ simMinute, program }: GuestChange, minute: number): boolean {
    const isHere = simMinute === minute && minute === this.#minute;
    return program !== undefined && isHere && program.nth < this.#programsNow;
  }

  /** Returns true if the guest, which is at this minute, has got a change that acted after the program of this change. */
  isBeyond({ simMinute, program }: GuestChange, minute: number): boolean {
    if (program === undefined || simMinute !== minute || minute !== this.#minute) return false;
    return this.#actedNow.some((seq) => seq > program.afterSeq);
  }

  #enter(minute: number): void {
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#actedNow = [];
    this.#programsNow = 0;
  }

  /** Returns the part of a checkpoint: what has acted at this minute. */
  kept(minute: number): { readonly changed?: readonly number[]; readonly programs?: number } {
    if (minute !== this.#minute) return {};
    return {
      ...(this.#actedNow.length > 0 ? { changed: this.#actedNow } : {}),
      ...(this.#programsNow > 0 ? { programs: this.#programsNow } : {}),
    };
  }

  restore(actedNow: readonly number[], programsNow: number, minute: number): void {
    this.#actedNow = actedNow;
    this.#programsNow = programsNow;
    this.#minute = minute;
  }

  /** Returns the allocation of a guest that starts at this minute: that of its spec, and the changes that have acted. */
  allocationOf({ allocation, changes = [] }: GuestSpec, minute: number): GuestSpec["allocation"] {
    const acted = changes.filter(({ seq, simMinute }) => simMinute < minute || this.has(seq));
    const inOrder = acted.toSorted((a, b) => a.simMinute - b.simMinute || a.seq - b.seq);
    return inOrder.reduce((before, change) => change.allocation ?? before, allocation);
  }

  /** Takes over what another guest, which this one replaces, has got. */
  takeOver(other: GuestChanges): void {
    this.#newest = other.#newest;
    this.#held = other.#held;
  }

  isHeldAt(minute: number): boolean {
    return this.#held.length > 0 && this.#held.some((held) => held <= minute);
  }

  hold(minute: number): void {
    this.#held = [...this.#held, minute];
  }

  /** Ends one wait at this minute. */
  release(minute: number): void {
    const index = this.#held.indexOf(minute);
    if (index >= 0) this.#held = this.#held.toSpliced(index, 1);
  }
}
