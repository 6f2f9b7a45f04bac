/**
 * An index from VMs to the ledgers that hold an entry of them: one look-up instead of a search through every chassis.
 *
 * The index compares each noted ledger with its previous state, whatever event changed it. Folded states are immutable
 * values, so an entry that did not change is recognised by identity.
 */
import type { Ledger } from "./ledger.ts";

type Entries = Ledger["entries"];

const NONE: readonly string[] = Object.freeze([]);

export class LedgersOfVms {
  readonly #known = new Map<string, Entries>();
  readonly #ledgersOf = new Map<string, readonly string[]>();

  /**
   * Takes over the present entries of a ledger. Returns the ids of the VMs whose entry was added, removed or changed.
   */
  note(chassisId: string, { entries }: Pick<Ledger, "entries">): string[] {
    const before = this.#known.get(chassisId) ?? {};
    if (before === entries) return [];
    this.#known.set(chassisId, entries);
    const changed: string[] = [];
    for (const [vmId, entry] of Object.entries(entries)) {
      if (before[vmId] === entry) continue;
      changed.push(vmId);
      if (before[vmId] === undefined) this.#ledgersOf.set(vmId, [...this.of(vmId), chassisId].sort());
    }
    for (const vmId of Object.keys(before)) {
      if (entries[vmId] !== undefined) continue;
      changed.push(vmId);
      const left = this.of(vmId).filter((id) => id !== chassisId);
      if (left.length === 0) this.#ledgersOf.delete(vmId);
      else this.#ledgersOf.set(vmId, left);
    }
    return changed;
  }

  /** The chassis whose ledgers hold an entry of this VM, sorted by id. */
  of(vmId: string): readonly string[] {
    return this.#ledgersOf.get(vmId) ?? NONE;
  }
}
