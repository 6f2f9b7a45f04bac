/**
 * The resources of one VM: its allocation, its use, the room on its chassis, and its optimum.
 */
import type { Optimum } from "@bioxen/cell-models";
import { type BiologicalType, FULL_DEMAND, fullDemand, type RequestOf, type VmView } from "@bioxen/contracts";
import { type Amounts, add } from "@bioxen/kernel";
import type { Connection } from "./calls.ts";
import type { BioxenError } from "./errors.ts";
import { optimumOf } from "./optimum.ts";

/** Allocation and use of one resource, in the unit of that resource. */
export interface ResourceUsage {
  readonly allocated: number;
  /** The latest measured use; null for a resource that is not measured. */
  readonly used: number | null;
}

export class ResourceManager {
  readonly #bioxen: Connection;
  readonly #vmId: string;

  constructor(bioxen: Connection, vmId: string) {
    this.#bioxen = bioxen;
    this.#vmId = vmId;
  }

  /**
   * Changes the requested resources of the VM, and also its allocation while it runs or is paused. Either all amounts
   * change or none. Throws {@link BioxenError}: CAPACITY_EXCEEDED, QUOTA_EXCEEDED.
   */
  async allocate(resources: RequestOf<"vmResize">["resources"]): Promise<VmView> {
    return (await this.#bioxen.call("vmResize", { vmId: this.#vmId, resources })).vm;
  }

  /** Returns the allocation and latest measured use of each resource; empty for a VM without an allocation. */
  async usage(): Promise<Readonly<Record<string, ResourceUsage>>> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    const { sample } = await this.#bioxen.call("monitorVm", { vmId: this.#vmId });
    const used: Record<string, number | undefined> = {
      ribosomes: sample?.ribosomes?.engaged,
      atpPerSecond: sample?.atp?.perSecond,
    };
    return Object.fromEntries(
      Object.entries(vm.allocation ?? {}).map(([name, allocated]) => [
        name,
        { allocated, used: used[name] ?? null },
      ]),
    );
  }

  /**
   * Returns the free resources of the VM's chassis. For a VM that is not placed, returns for each resource the largest
   * amount that is free on any chassis.
   */
  async available(): Promise<Amounts> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    if (vm.chassisId !== null) {
      return (await this.#bioxen.call("ledgerGet", { chassisId: vm.chassisId })).ledger.free;
    }
    const { ledgers } = await this.#bioxen.call("ledgerList", {});
    const most: Record<string, number> = {};
    for (const { free } of ledgers) {
      for (const [name, amount] of Object.entries(free)) most[name] = Math.max(most[name] ?? 0, amount);
    }
    return most;
  }

  /**
   * Returns the smallest allocation with which the VM grows nearly at its best rate: at most 2 % below the best rate
   * that the room on its chassis permits. The cell model computes both rates. Throws `RangeError` for a VM that is not
   * of type `basic`.
   */
  async optimum(): Promise<Optimum> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    return optimumOf(
      vm,
      vm.chassisId === null ? undefined : add(await this.available(), vm.allocation ?? {}),
    );
  }

  /** Allocates the {@link optimum} to the VM. A VM that is not of type `basic` gets the default request of its type. */
  async optimise(): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    if (vm.vmType !== "basic") return this.allocate(fullDemand(vm.biologicalType, vm.vmType));
    return this.allocate((await this.optimum()).allocation);
  }

  /** Returns the resources that a biological type needs to grow at its reference rate. */
  static fullDemand(biologicalType: BiologicalType): Amounts {
    return FULL_DEMAND[biologicalType];
  }
}
