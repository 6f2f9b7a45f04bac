/**
 * The resources of one VM: what it holds, uses and could have.
 */
import type { Optimum } from "@bioxen/cell-models";
import { type BiologicalType, FULL_DEMAND, fullDemand, type RequestOf, type VmView } from "@bioxen/contracts";
import { type Amounts, add } from "@bioxen/kernel";
import type { Connection } from "./calls.ts";
import { optimumOf } from "./optimum.ts";

/** What one resource is used for, beside what is allocated; null: not measured. */
export interface ResourceUsage {
  readonly allocated: number;
  readonly used: number | null;
}

export class ResourceManager {
  readonly #bioxen: Connection;
  readonly #vmId: string;

  constructor(bioxen: Connection, vmId: string) {
    this.#bioxen = bioxen;
    this.#vmId = vmId;
  }

  /** Changes the allocation (or the request, before it runs), all or nothing. Throws CAPACITY_EXCEEDED. */
  async allocate(resources: RequestOf<"vmResize">["resources"]): Promise<VmView> {
    return (await this.#bioxen.call("vmResize", { vmId: this.#vmId, resources })).vm;
  }

  /** What it holds and what its last measurement says it uses; empty without an allocation. */
  async usage(): Promise<Readonly<Record<string, ResourceUsage>>> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    const { sample } = await this.#bioxen.call("monitorVm", { vmId: this.#vmId });
    const used: Record<string, number | undefined> = {
      ribosomes: sample?.ribosomes.engaged,
      atpPerSecond: sample?.atp.perSecond,
    };
    return Object.fromEntries(
      Object.entries(vm.allocation ?? {}).map(([name, allocated]) => [
        name,
        { allocated, used: used[name] ?? null },
      ]),
    );
  }

  /** What its chassis has free beside what it holds; without a place, the most any one chassis has free. */
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

  /** The smallest allocation with which it grows within 2 % of the best in reach of its chassis, by its cell's model. */
  async optimum(): Promise<Optimum> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    return optimumOf(
      vm,
      vm.chassisId === null ? undefined : add(await this.available(), vm.allocation ?? {}),
    );
  }

  /** Gives it its {@link optimum}; a VM that is no cell gets its type's default request. */
  async optimise(): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    if (vm.vmType !== "basic") return this.allocate(fullDemand(vm.biologicalType, vm.vmType));
    return this.allocate((await this.optimum()).allocation);
  }

  /** What a type needs to grow at its reference rate. */
  static fullDemand(biologicalType: BiologicalType): Amounts {
    return FULL_DEMAND[biologicalType];
  }
}
