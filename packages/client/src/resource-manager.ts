/**
 * The resources of one VM: what it holds, uses and could have.
 */
import { type BiologicalType, FULL_DEMAND, fullDemand, type RequestOf, type VmView } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import type { Bioxen } from "./connection.ts";

/** What one resource is used for, beside what is allocated; null: not measured. */
export interface ResourceUsage {
  readonly allocated: number;
  readonly used: number | null;
}

export class ResourceManager {
  readonly #bioxen: Bioxen;
  readonly #vmId: string;

  constructor(bioxen: Bioxen, vmId: string) {
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

  /**
   * Gives it what its type needs to grow at its reference rate, or as much of that as its chassis has left. Needs no more: a cell
   * does not grow faster with more than its full demand.
   */
  async optimise(): Promise<VmView> {
    const { vm } = await this.#bioxen.call("vmGet", { vmId: this.#vmId });
    const wanted = fullDemand(vm.biologicalType, vm.vmType);
    if (vm.chassisId === null) return this.allocate(wanted);
    const free = await this.available();
    const target = Object.entries(wanted).map(([name, amount]) => {
      const reachable = (vm.allocation?.[name] ?? 0) + (free[name] ?? 0);
      return [name, Math.min(amount, reachable)];
    });
    return this.allocate(Object.fromEntries(target));
  }

  /** What a type needs to grow at its reference rate. */
  static fullDemand(biologicalType: BiologicalType): Amounts {
    return FULL_DEMAND[biologicalType];
  }
}
