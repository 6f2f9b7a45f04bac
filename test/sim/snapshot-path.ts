/**
 * The access of one process to the snapshots of folds, and its faults.
 */
import { Fault, type SnapshotStore } from "@bioxen/kernel";
import type { MemorySnapshots } from "@bioxen/testkit/memory-snapshots";
import type { Faults } from "./faults.ts";

/** Returns the snapshots as a process that starts now sees them. A dead process gets no answer. */
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
    newestHead: () => reach(() => snapshots.newestHead()),
    save: (head, chunks) => reach(() => snapshots.save(head, chunks)),
  };
}
