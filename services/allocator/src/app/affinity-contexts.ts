/**
 * Builds the affinity context of a ledger from the read models: the facts by which the ledger refuses a VM that must
 * not run on the ledger's chassis.
 */
import {
  type Chassis,
  type ChassisState,
  type LedgersOfVms,
  type Neighbour,
  type PlacementTerm,
  seesNeighbour,
  termMatches,
  type VmState,
} from "@bioxen/contracts";
import type { ReadModel } from "@bioxen/kernel";
import type { AffinityContext } from "../domain/reservation-fit.ts";

export class AffinityContexts {
  readonly #vms: ReadModel<VmState>;
  readonly #chassis: ReadModel<ChassisState>;
  readonly #ledgersOf: LedgersOfVms;

  constructor(vms: ReadModel<VmState>, chassis: ReadModel<ChassisState>, ledgersOf: LedgersOfVms) {
    this.#vms = vms;
    this.#chassis = chassis;
    this.#ledgersOf = ledgersOf;
  }

  /**
   * Returns the context of a chassis; undefined when the chassis is not registered. Its ledger is then closed, or
   * closes soon.
   */
  of(chassisId: string): AffinityContext | undefined {
    const chassis = this.#chassis.get(chassisId);
    return chassis.registered ? this.#contextOf(chassis) : undefined;
  }

  #contextOf(chassis: Chassis): AffinityContext {
    return {
      chassis,
      vm: (vmId) => this.#vm(vmId),
      hasPlacedMatch: (term, vm) => this.#hasPlacedMatch(term, vm),
    };
  }

  #vm(vmId: string) {
    const vm = this.#vms.get(vmId);
    if (!vm.exists) return undefined;
    const { labels, placement, vmType, owner, config } = vm;
    return { vmId, labels, placement, vmType, owner, config };
  }

  /**
   * True when a VM other than `newcomer` matches its term and has an entry in any ledger. The search scans all VMs. The
   * affinity rule needs it only for a VM that matches its own affinity term and finds no match on the chassis.
   */
  #hasPlacedMatch(term: PlacementTerm, newcomer: Pick<Neighbour, "vmId" | "owner">): boolean {
    for (const [vmId, vm] of this.#vms.entries()) {
      if (vmId === newcomer.vmId || !vm.exists || !seesNeighbour(newcomer, vm)) continue;
      if (this.#ledgersOf.of(vmId).length === 0) continue;
      if (termMatches(term, { vmId, labels: vm.labels })) return true;
    }
    return false;
  }
}
