/**
 * The programs of users that ran in this agent's guests, and whether the log has them.
 *
 * Lifecycle records a program after it ran. A checkpoint that contains a program is reported only when the log has the
 * program; otherwise a guest could continue with effects that no event explains. A guest whose program is not recorded in
 * time goes back to its last checkpoint, so its course is always the one of the log.
 */
import type { CellChange, Vm } from "@bioxen/contracts";
import type { Clock, Timers } from "@bioxen/kernel";
import { VmWaits } from "./vm-waits.ts";

/**
 * Time after which a program counts as not recorded, ms. Lifecycle tries for about 10 s. If the event comes later, the
 * guest goes back again and runs the program at its place.
 */
export const RECORDED_WITHIN_MS = 30_000;

interface Ran {
  readonly simMinute: number;
  readonly nth: number;
  readonly atMs: number;
  /** Sequence of its event; undefined while the log has none. */
  seq: number | undefined;
}

interface OfGuest {
  readonly fence: number;
  readonly programs: Ran[];
}

export class UserPrograms {
  readonly #clock: Clock;
  readonly #guests = new Map<string, OfGuest>();
  readonly #waits: VmWaits;

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock;
    this.#waits = new VmWaits(timers);
  }

  /** Forgets the programs of an earlier guest: this guest starts from the log. */
  began(vmId: string, fence: number): void {
    this.#guests.set(vmId, { fence, programs: [] });
    this.#waits.wake(vmId);
  }

  ended(vmId: string): void {
    this.#guests.delete(vmId);
    this.#waits.wake(vmId);
  }

  /** Notes that a program ran in the guest. Call it before the answer to lifecycle. */
  ran(vmId: string, fence: number, simMinute: number, nth: number): void {
    const guest = this.#guests.get(vmId);
    if (guest?.fence !== fence) return;
    guest.programs.push({ simMinute, nth, atMs: this.#clock.nowMs(), seq: undefined });
  }

  /** Notes which programs the log has. Call it after each event of the VM. */
  onVmChanged(vmId: string, { changes = [] }: Vm): void {
    const open = this.#unrecorded(vmId);
    if (open.length === 0) return;
    for (const { seq, simMinute, program } of changes) {
      const ran = open.find((one) => one.simMinute === simMinute && one.nth === program?.nth);
      if (ran !== undefined) ran.seq = seq;
    }
    if (this.#unrecorded(vmId).length === 0) this.#waits.wake(vmId);
  }

  /** Returns true if the present guest has run the program of this change. Then the program is forgotten. */
  takeRan(vmId: string, { seq }: Pick<CellChange, "seq">): boolean {
    const programs = this.#guests.get(vmId)?.programs ?? [];
    const index = programs.findIndex((one) => one.seq === seq);
    if (index >= 0) programs.splice(index, 1);
    return index >= 0;
  }

  /** Instant at which a program of the guest counts as not recorded, epoch ms; undefined if all are recorded. */
  dueAtMs(vmId: string): number | undefined {
    const [first] = this.#unrecorded(vmId);
    return first && first.atMs + RECORDED_WITHIN_MS;
  }

  /** Resolves with true once the log has the programs that have run until now, with false after `withinMs`. */
  async recorded(vmId: string, withinMs: number): Promise<boolean> {
    const open = this.#unrecorded(vmId);
    const isRecorded = () =>
      open.every(({ seq }) => seq !== undefined) || this.#guests.get(vmId) === undefined;
    return this.#waits.until(vmId, isRecorded, withinMs);
  }

  #unrecorded(vmId: string): Ran[] {
    return this.#guests.get(vmId)?.programs.filter(({ seq }) => seq === undefined) ?? [];
  }
}
