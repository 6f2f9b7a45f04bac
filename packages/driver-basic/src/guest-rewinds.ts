/**
 * Guests whose Lua state was lost and whose cell follows from it: each goes back to its last restart point, and computes
 * its course again, with everything that had acted on it since. The course is then the one without the loss.
 *
 * A guest that has blocked too many workers ends: its course cannot be computed.
 */
import { messageOf } from "@bioxen/kernel";
import { type DriverError, driverErrorCode, type GuestSpec } from "@bioxen/vm-driver";
import type { CellGuest } from "./cell-guest.ts";
import { MAX_WORKERS_LOST_PER_GUEST } from "./limits.ts";
import type { GuestKey } from "./lua-protocol.ts";

export interface RewindPorts {
  readonly boot: (spec: GuestSpec) => CellGuest;
  /** Runs the program of a booted guest. If it rejects, the guest has ended. */
  readonly runProgram: (guest: CellGuest) => Promise<void>;
  /** Puts the second guest in the place of the first one; if the first one is no longer there, ends the second one. */
  readonly replace: (before: CellGuest, guest: CellGuest) => void;
  /** Called when the guest has failed. */
  readonly failed: (guest: CellGuest) => void;
  readonly log: (guest: CellGuest, line: string) => void;
}

export class GuestRewinds {
  readonly #ports: RewindPorts;
  /** Guests that could not be replaced yet. */
  readonly #due = new Set<CellGuest>();

  constructor(ports: RewindPorts) {
    this.#ports = ports;
  }

  /** Takes over the guests of a lost worker that follow their Lua. Returns the keys of these guests. */
  lost(guests: readonly CellGuest[], culprit: CellGuest | undefined): ReadonlySet<GuestKey> {
    if (culprit !== undefined) culprit.workersLost += 1;
    const following = guests.filter((guest) => guest.followsLua && guest.isAlive());
    for (const guest of following) this.begin(guest);
    return new Set(following.map(({ key }) => key));
  }

  /** Lets the guest go back to its restart point. */
  begin(guest: CellGuest): void {
    if (guest.isRewinding) return;
    guest.isRewinding = true;
    if (guest.workersLost >= MAX_WORKERS_LOST_PER_GUEST) {
      guest.fail(`its Lua took the worker down ${MAX_WORKERS_LOST_PER_GUEST} times`);
      this.#ports.failed(guest);
      return;
    }
    void this.#rewind(guest);
  }

  /** Tries again for the guests that could not go back yet. */
  tick(): void {
    for (const guest of this.#due) {
      this.#due.delete(guest);
      void this.#rewind(guest);
    }
  }

  async #rewind(before: CellGuest): Promise<void> {
    const { spec } = before;
    let guest: CellGuest | undefined;
    try {
      const { allocation, checkpoint } = before.points.present;
      guest = this.#ports.boot({ ...spec, allocation, checkpoint, changes: [] });
      guest.workersLost = before.workersLost;
      await this.#ports.runProgram(guest);
    } catch (error) {
      before.workersLost = guest?.workersLost ?? before.workersLost;
      this.#notNow(before, error);
      return;
    }
    const undone = before.cell.simMinutes - guest.cell.simMinutes;
    guest.owedMinutes = before.atMax ? 0 : before.owedMinutes + undone;
    guest.reportedMinutes = Math.max(before.reportedMinutes, before.cell.simMinutes);
    if (before.course !== undefined) guest.course?.follow(before.course);
    guest.lastMinute = before.lastMinute;
    guest.replay = [...before.journal.entries(), ...before.replay];
    guest.changes.takeOver(before.changes);
    const from = `minute ${before.cell.simMinutes}`;
    this.#ports.log(before, `the Lua state was lost: back from ${from} to ${guest.cell.simMinutes}`);
    this.#ports.replace(before, guest);
  }

  #notNow(guest: CellGuest, error: unknown): void {
    if (!guest.isAlive()) return;
    const isTemporary = driverErrorCode(error) === "UNAVAILABLE" && (error as DriverError).retryable;
    if (isTemporary && guest.workersLost < MAX_WORKERS_LOST_PER_GUEST) {
      this.#due.add(guest);
      return;
    }
    guest.fail(`its program failed after the Lua state was lost: ${messageOf(error)}`);
    this.#ports.failed(guest);
  }
}
