/**
 * The scheduler's picture of the cluster: VMs that wait, and what every chassis has left. Made anew for each plan.
 */
import {
  type Chassis,
  type ChassisState,
  chassisFold,
  endsWithAgent,
  type Ledger,
  ledgerFold,
  type Misfit,
  type Quota,
  type QuotaState,
  quotaFold,
  roomOf,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { Aggregates, type Causation, causedBy, ReadModel, type ServicePorts } from "@bioxen/kernel";
import { type ChassisRoom, type WaitingVm, waitingVm } from "@bioxen/placement";
import { ChassisLiveness } from "./liveness.ts";

export class Cluster {
  readonly chassis: Aggregates<ChassisState>;
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  readonly quotaStates = new ReadModel<QuotaState>("quota", quotaFold);
  readonly liveness: ChassisLiveness;

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    const { log, clock, ids } = ports;
    const source = "/bioxen/chassis-scheduler";
    this.chassis = new Aggregates({ kind: "chassis", fold: chassisFold, log, clock, ids, source });
    this.liveness = new ChassisLiveness(ports, monotonicMs, lostAfterMs);
  }

  registered(): [string, Chassis][] {
    const all = [...this.chassis.entries()].flatMap(([chassisId, { state }]): [string, Chassis][] =>
      state.registered ? [[chassisId, state]] : [],
    );
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  rooms(): ChassisRoom[] {
    return this.registered().flatMap(([chassisId, chassis]) => {
      const ledger = this.ledgers.get(chassisId);
      if (!ledger.open) return [];
      return [
        {
          chassisId,
          chassis,
          offered: ledger.offered,
          room: roomOf(ledger),
          closed: this.#closed(chassisId, chassis),
        },
      ];
    });
  }

  quotas(): Quota[] {
    return [...this.quotaStates.values()].flatMap((quota) => (quota.exists ? [quota] : []));
  }

  /** True once it is known of every chassis whether it is heard of. */
  isLivenessKnown(): boolean {
    return this.registered().every(
      ([chassisId, { lost }]) => lost !== null || this.liveness.of(chassisId).state !== "unknown",
    );
  }

  /** A silent chassis takes nobody: its agent could not start a guest. */
  #closed(chassisId: string, chassis: Chassis): Misfit | undefined {
    if (chassis.lost !== null) {
      return { code: "UNAVAILABLE", message: `is lost: its agent ${chassis.agentId} has not recovered` };
    }
    if (chassis.cordoned) return { code: "UNAVAILABLE", message: "is cordoned" };
    if (this.liveness.of(chassisId).state === "ready") return undefined;
    return { code: "UNAVAILABLE", message: `its agent ${chassis.agentId} is not heard of` };
  }

  /** Pending VMs that no ledger holds a place for yet. */
  waiting(): WaitingVm[] {
    const out: WaitingVm[] = [];
    for (const [vmId, vm] of this.vms.entries()) {
      if (!vm.exists || vm.state !== "pending" || this.#hasPlace(vmId, vm)) continue;
      out.push(waitingVm(vmId, vm));
    }
    return out;
  }

  /** Why `vmIds` are placed together: the newest event that made one of them wait. */
  causeOf(vmIds: readonly string[]): Causation | undefined {
    const newest = vmIds.reduce((best, vmId) =>
      this.vms.lastSeq(vmId) > this.vms.lastSeq(best) ? vmId : best,
    );
    const cause = this.vms.last(newest);
    return cause && causedBy(cause);
  }

  #hasPlace(vmId: string, vm: Vm): boolean {
    for (const [, ledger] of this.ledgers.entries()) {
      const entry = ledger.entries[vmId];
      if (entry !== undefined && entry.incarnation === vm.incarnation && entry.fence > vm.lastFence)
        return true;
    }
    return false;
  }

  /** How many VMs a loss of this chassis displaces that are still on it. */
  evacuating(chassisId: string): number {
    let count = 0;
    for (const vm of this.vms.values()) {
      if (vm.exists && vm.chassisId === chassisId && endsWithAgent(vm.vmType)) count += 1;
    }
    return count;
  }

  /** VMs with an entry in this chassis' ledger, or that say they are on it. */
  heldBy(chassisId: string): string[] {
    const held = new Set(Object.keys(this.ledgers.get(chassisId).entries));
    for (const [vmId, vm] of this.vms.entries()) if (vm.exists && vm.chassisId === chassisId) held.add(vmId);
    return [...held].sort();
  }
}
