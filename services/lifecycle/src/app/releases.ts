/**
 * Releases what a VM holds only for minutes of its cell that have passed: a resize at a coming minute keeps the larger
 * amounts reserved until the cell has the smaller ones, also when it continues from its checkpoint.
 *
 * The ledger shrinks first; the VM then adopts the amounts of its ledger (`vm-process.ts`). The cell has them already.
 */
import { type Ledger, releasableTo, type VmState } from "@bioxen/contracts";
import { type Aggregates, type Clock, causedBy, equalAmounts, type ReadModel } from "@bioxen/kernel";
import type { CommandPorts } from "./command-ports.ts";
import { resizeInLedger } from "./ledger-resize.ts";

/** Delay until a release that the allocator refused is tried again, ms. */
const RELEASE_AGAIN_MS = 5_000;

interface ReleasePorts extends Pick<CommandPorts, "caller" | "applied"> {
  readonly vms: Pick<Aggregates<VmState>, "get">;
  readonly ledgers: ReadModel<Ledger>;
  readonly clock: Clock;
}

export class Releases {
  readonly #ports: ReleasePorts;
  /** True while this instance holds the lease. */
  readonly #acts: () => boolean;

  constructor(ports: ReleasePorts, acts: () => boolean) {
    this.#ports = ports;
    this.#acts = acts;
  }

  /** Releases what is due for one VM. Returns the instant of the next try if the allocator refused. */
  async step(vmId: string): Promise<{ readonly dueAtMs: number } | undefined> {
    const { vms, ledgers, clock } = this.#ports;
    const { state, last } = vms.get(vmId);
    if (!this.#acts() || !state.exists || last === undefined) return undefined;
    const amounts = releasableTo(state);
    const { chassisId, fence, allocation } = state;
    if (amounts === undefined || chassisId === null || fence === null || allocation === null)
      return undefined;
    const entry = ledgers.get(chassisId).entries[vmId];
    if (entry?.fence !== fence || !equalAmounts(entry.amounts, allocation)) return undefined;
    const resize = { vmId, chassisId, fence, amounts, preemption: null, from: allocation };
    const { ok } = await resizeInLedger(this.#ports, resize, causedBy(last));
    return ok ? undefined : { dueAtMs: clock.nowMs() + RELEASE_AGAIN_MS };
  }
}
