/**
 * Which guests have moved since the last look. A look compares two numbers of each guest and measures none, so that a tick
 * costs samples only of the cells that have computed a minute.
 */
import { type CellGuest, isListed } from "./cell-guest.ts";

export interface Moved {
  /** The ids of the guests whose minute or lag has changed. */
  readonly vmIds: readonly string[];
  /** Whether a running guest lags. */
  readonly anyLags: boolean;
}

interface Seen {
  readonly guest: CellGuest;
  readonly simMinutes: number;
  readonly lagMs: number;
}

export class MovedGuests {
  readonly #seen = new Map<string, Seen>();

  /** Returns what has moved since the last call. A guest that was not there then has moved. */
  take(guests: readonly CellGuest[], lagMsOf: (guest: CellGuest) => number): Moved {
    const vmIds: string[] = [];
    const listed = guests.filter(isListed);
    let anyLags = false;
    for (const guest of listed) {
      const { vmId } = guest.spec;
      const { simMinutes } = guest.cell;
      const lagMs = lagMsOf(guest);
      anyLags ||= lagMs > 0 && guest.state === "running";
      const seen = this.#seen.get(vmId);
      if (seen?.guest === guest && seen.simMinutes === simMinutes && seen.lagMs === lagMs) continue;
      this.#seen.set(vmId, { guest, simMinutes, lagMs });
      vmIds.push(vmId);
    }
    if (this.#seen.size > listed.length) this.#forgetOthers(listed);
    return { vmIds, anyLags };
  }

  #forgetOthers(listed: readonly CellGuest[]): void {
    const here = new Set<CellGuest>(listed);
    for (const [vmId, { guest }] of this.#seen) if (!here.has(guest)) this.#seen.delete(vmId);
  }
}
