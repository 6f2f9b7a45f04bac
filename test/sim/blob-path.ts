/**
 * The access of one process to the guest states, and its faults.
 */
import { type BlobStore, Fault } from "@bioxen/kernel";
import type { MemoryBlobs } from "@bioxen/testkit/memory-blobs";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

/** The delay of a slow disk, ms. */
const LATE_MS = { least: 200, most: 5_000 };
/**
 * Time from a put to the corruption of the blob, ms: before its report, which is then refused, or after it, so that
 * the next guest finds the damage.
 */
const DAMAGED_AFTER_MS = { least: 0, most: 8_000 };

/**
 * `send` carries out changes, before which the process may sleep; `alive` carries out reads. A dead process gets no
 * answer.
 */
interface Door {
  readonly send: <T>(work: () => Promise<T>) => Promise<T>;
  readonly alive: <T>(work: Promise<T>) => Promise<T>;
}

export function blobPath(
  cluster: { readonly universe: Universe; readonly faults: Faults; readonly blobs: MemoryBlobs },
  { send, alive }: Door,
): BlobStore {
  const { universe, faults, blobs } = cluster;
  const away = () => new Fault("UNAVAILABLE", "states of guests are away", { retryable: true });
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    await universe.delay(universe.between(1, 5));
    if (faults.strikes("blobs-away")) throw away();
    if (faults.strikes("blobs-late")) await universe.delay(universe.between(LATE_MS.least, LATE_MS.most));
    return work();
  };
  const put: BlobStore["put"] = async (name, bytes) => {
    await blobs.put(name, bytes);
    if (faults.strikes("blob-damaged")) {
      const { least, most } = DAMAGED_AFTER_MS;
      const damage = async () => {
        if ((await blobs.storedAtMs(name)) !== undefined) blobs.damage(name);
      };
      universe.after(universe.between(least, most), () => void damage());
    }
    if (faults.strikes("blob-ack-lost")) throw away();
  };
  return {
    put: (name, bytes) => send(() => reach(() => put(name, bytes))),
    get: (name, sha256) => alive(reach(() => blobs.get(name, sha256))),
    delete: (name) => send(() => reach(() => blobs.delete(name))),
    list: () => alive(reach(() => blobs.list())),
    storedAtMs: (name) => alive(reach(() => blobs.storedAtMs(name))),
  };
}
