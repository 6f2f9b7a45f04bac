import fc from "fast-check";
import { expect, it } from "vitest";
import type { LedgerEntry } from "./fold/ledger.ts";
import { LedgersOfVms } from "./fold/ledgers-of-vms.ts";

const entry = (vmId: string, fence: number) => ({ vmId, fence }) as LedgerEntry;

it("says of any VM what a look at every ledger says, and names exactly those whose entries changed", () => {
  const step = fc.record({
    chassis: fc.constantFrom("c1", "c2", "c3"),
    held: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 2 })),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const index = new LedgersOfVms();
      const books = new Map<string, Record<string, LedgerEntry>>();
      for (const { chassis, held } of steps) {
        const before = books.get(chassis) ?? {};
        const entries: Record<string, LedgerEntry> = {};
        for (const [vmId, fence] of Object.entries(held)) {
          const kept = before[vmId];
          entries[vmId] = kept?.fence === fence ? kept : entry(vmId, fence);
        }
        books.set(chassis, entries);
        const changed = ["a", "b", "c", "d"].filter((vmId) => before[vmId]?.fence !== entries[vmId]?.fence);
        expect(index.note(chassis, { entries }).sort()).toEqual(changed);
        for (const vmId of ["a", "b", "c", "d"]) {
          const holders = [...books].filter(([, all]) => all[vmId] !== undefined).map(([id]) => id);
          expect(index.of(vmId)).toEqual(holders.sort());
        }
      }
    }),
  );
});
