import fc from "fast-check";
import { expect, it } from "vitest";
import type { LedgerEntry } from "./fold/ledger.ts";
import { LedgersOfVms } from "./fold/ledgers-of-vms.ts";

const entry = (vmId: string, fence: number) => ({ vmId, fence }) as LedgerEntry;

it("agrees with a search of all ledgers, and returns exactly the VMs whose entries changed", () => {
  const step = fc.record({
    chassis: fc.constantFrom("c1", "c2", "c3"),
    held: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 2 })),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const index = new LedgersOfVms();
      const ledgers = new Map<string, Record<string, LedgerEntry>>();
      for (const { chassis, held } of steps) {
        const before = ledgers.get(chassis) ?? {};
        const entries: Record<string, LedgerEntry> = {};
        for (const [vmId, fence] of Object.entries(held)) {
          const previous = before[vmId];
          entries[vmId] = previous?.fence === fence ? previous : entry(vmId, fence);
        }
        ledgers.set(chassis, entries);
        const changed = ["a", "b", "c", "d"].filter((vmId) => before[vmId]?.fence !== entries[vmId]?.fence);
        expect(index.note(chassis, { entries }).sort()).toEqual(changed);
        for (const vmId of ["a", "b", "c", "d"]) {
          const holders = [...ledgers].filter(([, all]) => all[vmId] !== undefined).map(([id]) => id);
          expect(index.of(vmId)).toEqual(holders.sort());
        }
      }
    }),
  );
});
