/**
 * This instance's standing among all schedulers: the one that holds the lease acts by itself (plans, watches, drains),
 * all of them answer requests.
 */
import type { Lease, ServicePorts } from "@bioxen/kernel";

export class Leadership {
  #lease: Lease | undefined;
  readonly #onHeld: (() => void)[] = [];

  /** Called at the beginning of each holding. To be told before `contend`. */
  onHeld(listener: () => void): void {
    this.#onHeld.push(listener);
  }

  contend({ leases }: Pick<ServicePorts, "leases">): void {
    this.#lease = leases.contend("chassis-scheduler", {
      onHeld: () => {
        for (const listener of this.#onHeld) listener();
      },
      onLost: () => undefined,
    });
  }

  /** The fencing token while this instance acts *now*, else undefined. */
  token(): number | undefined {
    return this.#lease?.token();
  }

  /** For `react`: asked before each decision. */
  acts = (): boolean => this.token() !== undefined;

  /** A ledger has seen `token`: who is older was succeeded. */
  surpass(token: number): void {
    this.#lease?.surpass(token);
  }

  async release(): Promise<void> {
    await this.#lease?.release();
  }
}
