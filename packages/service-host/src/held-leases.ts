/**
 * The leases for which this process contends, with a measurement of those that it holds.
 */
import type { Measurement } from "@bioxen/contracts";
import type { ContendOptions, Lease, LeaseListener, Leases } from "@bioxen/kernel";

export class HeldLeases implements Leases {
  readonly #leases: Leases;
  /** By name: the leases for which this process contends now. */
  readonly #contended = new Map<string, Lease>();

  constructor(leases: Leases) {
    this.#leases = leases;
  }

  contend(name: string, listener: LeaseListener, options?: ContendOptions): Lease {
    const lease = this.#leases.contend(name, listener, options);
    this.#contended.set(name, lease);
    return {
      token: () => lease.token(),
      surpass: (token) => lease.surpass(token),
      release: async () => {
        if (this.#contended.get(name) === lease) this.#contended.delete(name);
        await lease.release();
      },
    };
  }

  tokenOnRecord(name: string): Promise<number | undefined> {
    return this.#leases.tokenOnRecord(name);
  }

  /** Returns 1 for each lease that this process holds, and 0 for each other one for which it contends. */
  measure(): readonly Measurement[] {
    const values = [...this.#contended].map(([lease, contended]) => ({
      value: contended.token() === undefined ? 0 : 1,
      labels: { lease },
    }));
    return [{ metric: "bioxen_lease_held", values }];
  }
}
