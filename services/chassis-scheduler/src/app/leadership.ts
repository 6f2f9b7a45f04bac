/**
 * Leadership among all instances of the scheduler. Only the lease holder acts on its own (plans, watches chassis,
 * drives drains); every instance answers requests.
 */
import type { Lease, ServicePorts } from "@bioxen/kernel";

export class Leadership {
  #lease: Lease | undefined;
  readonly #onHeld: (() => void)[] = [];

  /** Registers a listener for the start of each term as lease holder. Call it before `contend`. */
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

  /** Returns the lease token if this instance holds the lease at the moment of the call, else undefined. */
  token(): number | undefined {
    return this.#lease?.token();
  }

  /** Returns true while this instance holds the lease. An arrow function, so that it can be passed to `react`. */
  acts = (): boolean => this.token() !== undefined;

  /**
   * Gives up the lease if `token` is newer than this instance's token: another instance is then the lease holder. The
   * caller has checked that `token` can have been issued.
   */
  surpass(token: number): void {
    this.#lease?.surpass(token);
  }

  async release(): Promise<void> {
    await this.#lease?.release();
  }
}
