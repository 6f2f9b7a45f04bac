/**
 * The way of one process to the snapshots of folds, and what can go wrong on it.
 */
import { Fault, type SnapshotStore } from "@bioxen/kernel";
import type { MemorySnapshots } from "@bioxen/testkit/memory-snapshots";
import type { Faults } from "./faults.ts";

/** Of a process that starts now. A dead one is never answered. */
export function snapshotPath(
  { faults, snapshots }: { readonly faults: Faults; readonly snapshots: MemorySnapshots },
  isAlive: () => boolean,
): SnapshotStore {
  if (faults.strikes("snapshots-deleted")) snapshots.clear();
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!isAlive()) return new Promise<T>(() => undefined);
    if (faults.strikes("snapshots-away")) throw new Fault("UNAVAILABLE", "away", { retryable: true });
    return work();
  };
  return {
    newest: () => reach(() => snapshots.newest()),
    newestSeq: () => reach(() => snapshots.newestSeq()),
    save: (head, chunks) => reach(() => snapshots.save(head, chunks)),
  };
}
