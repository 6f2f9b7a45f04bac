/**
 * Who lives where, as the log says it: what a ledger needs to know to refuse a VM that must not live there.
 */
import {
  type Chassis,
  type ChassisState,
  isMeant,
  type LedgersOfVms,
  type PlacementTerm,
  type VmState,
} from "@bioxen/contracts";
import type { ReadModel } from "@bioxen/kernel";
import type { AffinityContext } from "../domain/ledger.ts";

export class AffinityContexts {
  readonly #vms: ReadModel<VmState>;
  readonly #chassis: ReadModel<ChassisState>;
  readonly #ledgersOf: LedgersOfVms;

  constructor(vms: ReadModel<VmState>, chassis: ReadModel<ChassisState>, ledgersOf: LedgersOfVms) {
    this.#vms = vms;
    this.#chassis = chassis;
    this.#ledgersOf = ledgersOf;
  }

  /** undefined of a chassis that is not registered: its ledger takes nobody, or will not for long. */
  of(chassisId: string): AffinityContext | undefined {
    const chassis = this.#chassis.get(chassisId);
    return chassis.registered ? this.#contextOf(chassis) : undefined;
  }

  #contextOf(chassis: Chassis): AffinityContext {
    return {
      chassis,
      vm: (vmId) => this.#vm(vmId),
      hasPlacedMatch: (term, vmId) => this.#hasPlacedMatch(term, vmId),
    };
  }

  #vm(vmId: string) {
    const vm = this.#vms.get(vmId);
    if (!vm.exists) return undefined;
    const { labels, placement, vmType } = vm;
    return { vmId, labels, placement, vmType };
  }

  /** Looks at all VMs: asked only for the first of a kind that wants to be together. */
  #hasPlacedMatch(term: PlacementTerm, newcomer: string): boolean {
    for (const [vmId, vm] of this.#vms.entries()) {
      if (vmId === newcomer || !vm.exists || this.#ledgersOf.of(vmId).length === 0) continue;
      if (isMeant(term, { vmId, labels: vm.labels })) return true;
    }
    return false;
  }
}
