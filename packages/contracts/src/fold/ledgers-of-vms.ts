/**
 * An index from each VM to the chassis whose ledgers hold an entry of that VM. It replaces a search through every
 * chassis by one look-up.
 *
 * The caller passes a ledger to `note` after each change. The index compares the ledger's entries with those of the
 * previous `note` for that ledger. Folded states are immutable, so an unchanged entry is the same object as before.
 */
import type { Ledger } from "./ledger.ts";

type Entries = Ledger["entries"];

const NONE: readonly string[] = Object.freeze([]);

export class LedgersOfVms {
  readonly #known = new Map<string, Entries>();
  readonly #ledgersOf = new Map<string, readonly string[]>();

  /**
   * Updates the index with the present entries of one ledger. Returns the ids of the VMs whose entry was added, removed
   * or changed.
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

  /** Returns the ids of the chassis whose ledgers hold an entry of this VM, sorted. */
  of(vmId: string): readonly string[] {
    return this.#ledgersOf.get(vmId) ?? NONE;
  }
}
