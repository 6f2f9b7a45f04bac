/**
 * Which ledgers hold an entry of a VM: one look instead of one at every chassis.
 *
 * Follows the ledgers' entries, whatever event changed them: a ledger that is noted again is compared with what it was. States are
 * values, so that one that did not change is told by identity.
 */
import type { Ledger } from "./ledger.ts";

type Entries = Ledger["entries"];

const NONE: readonly string[] = Object.freeze([]);

export class LedgersOfVms {
  readonly #known = new Map<string, Entries>();
  readonly #ledgersOf = new Map<string, readonly string[]>();

  /** Takes over what this ledger holds now; says whose entries came, went or became others. */
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

  /** In order of chassis id. */
  of(vmId: string): readonly string[] {
    return this.#ledgersOf.get(vmId) ?? NONE;
  }
}
