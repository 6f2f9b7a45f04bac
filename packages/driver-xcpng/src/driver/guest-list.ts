/**
 * The guests of the driver, as its port shows them: what the pool says of each machine, joined with what is known of the
 * cell in it.
 */
import type { GuestCapabilities, GuestSample, GuestStatus, KeptGuest } from "@bioxen/vm-driver";
import { guestCapabilitiesOf } from "./cell-guests.ts";
import { withCellSample } from "./cell-reports.ts";
import type { Cells } from "./cells.ts";
import { guestOf, keptOf, type OwnVm } from "./inventory.ts";
import type { MachineOperations } from "./machine-operations.ts";
import type { PoolLink } from "./pool-link.ts";

/** Returns the status of the guest in the VM; undefined without one. A machine whose cell has failed is a failed guest. */
export function statusOf(vm: OwnVm, { reports }: Pick<Cells, "reports">): GuestStatus | undefined {
  const status = guestOf(vm);
  if (status === undefined || status.state === "failed") return status;
  const reason = reports.of(vm).failure;
  return reason === undefined ? status : { ...status, state: "failed", reason };
}

/** Every list is empty once the driver is closed. */
export class GuestList {
  readonly #pool: Pick<PoolLink, "inventory" | "removal" | "statistics">;
  readonly #operations: Pick<MachineOperations, "isClosed" | "lost">;
  readonly #cells: Pick<Cells, "reports">;

  constructor(
    pool: Pick<PoolLink, "inventory" | "removal" | "statistics">,
    operations: Pick<MachineOperations, "isClosed" | "lost">,
    cells: Pick<Cells, "reports">,
  ) {
    this.#pool = pool;
    this.#operations = operations;
    this.#cells = cells;
  }

  #own(vmId: string): OwnVm | undefined {
    return this.#operations.isClosed ? undefined : this.#pool.inventory.own(vmId);
  }

  #allOwn(): readonly OwnVm[] {
    return this.#operations.isClosed ? [] : this.#pool.inventory.allOwn();
  }

  /** Returns the guests with those that were deleted outside BioXen, in order of VM id. */
  list(): readonly GuestStatus[] {
    if (this.#operations.isClosed) return [];
    const here = this.#allOwn().flatMap((vm) => statusOf(vm, this.#cells) ?? []);
    return [...here, ...this.#operations.lost.list()].sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  guest(vmId: string): GuestStatus | undefined {
    if (this.#operations.isClosed) return undefined;
    const vm = this.#own(vmId);
    return (vm && statusOf(vm, this.#cells)) ?? this.#operations.lost.get(vmId);
  }

  sample(vmId: string): GuestSample | undefined {
    const vm = this.#own(vmId);
    if (vm === undefined || guestOf(vm) === undefined) return undefined;
    return withCellSample(this.#pool.statistics.sample(vm), this.#cells.reports.of(vm), vm);
  }

  capabilities(vmId: string, hasShell: boolean): GuestCapabilities | undefined {
    const vm = this.#own(vmId);
    if (vm === undefined || guestOf(vm) === undefined) return undefined;
    return guestCapabilitiesOf(this.#cells.reports.of(vm), hasShell);
  }

  keptGuest(vmId: string): KeptGuest | undefined {
    const vm = this.#own(vmId);
    return vm && this.#keptIn(vm);
  }

  kept(): readonly KeptGuest[] {
    return this.#allOwn().flatMap((vm) => this.#keptIn(vm) ?? []);
  }

  #keptIn(vm: OwnVm): KeptGuest | undefined {
    return this.#pool.removal.isLeaving(vm.ref) ? undefined : keptOf(vm);
  }
}
