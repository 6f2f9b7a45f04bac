/**
 * Work that a process does as long as it holds a lease, such as the work on one kind of jobs.
 */
import type { Lease, Leases } from "@bioxen/kernel";

export interface Endable {
  end(): Promise<void>;
}

/**
 * Contends for the lease `name`. Each time this process acquires the lease, calls `begin`. When this process loses the
 * lease, calls `end` of the object from `begin`. Returns a function that ends the work and releases the lease.
 */
export function underLease(
  leases: Leases,
  name: string,
  begin: (held: () => boolean) => Endable,
): () => Promise<void> {
  let current: Endable | undefined;
  const lease: Lease = leases.contend(name, {
    onHeld: () => {
      current = begin(() => lease.token() !== undefined);
    },
    onLost: () => {
      void current?.end();
      current = undefined;
    },
  });
  return async () => {
    await current?.end();
    await lease.release();
  };
}
