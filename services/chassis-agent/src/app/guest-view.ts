/**
 * This agent's view of the log: the states of VMs and chassis, and which of them this agent runs.
 */
import {
  type Chassis,
  type ChassisState,
  chassisFold,
  endsWithAgent,
  isBeingRemoved,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";

export class GuestView {
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  readonly #agentId: string;
  /** By chassis id: the VMs that are on the chassis. */
  readonly #vmsOn = new Map<string, Set<string>>();
  /** By VM id: the chassis under which {@link #vmsOn} has the VM. */
  readonly #notedOn = new Map<string, string>();
  readonly #isHolding: () => boolean;

  /** `isHolding` says whether guests must not run because the log is out of reach (`domain/self-fence.ts`). */
  constructor(agentId: string, isHolding: () => boolean) {
    this.#agentId = agentId;
    this.#isHolding = isHolding;
  }

  /** Notes where every VM is. Called once, before {@link noteVm} is called for the first event. */
  begin(): void {
    for (const vmId of this.vms.ids()) this.noteVm(vmId);
  }

  /** Notes where the VM is now. Called after each event of the VM. */
  noteVm(vmId: string): void {
    const before = this.#notedOn.get(vmId);
    const now = this.vm(vmId)?.chassisId ?? undefined;
    if (before === now) return;
    if (before !== undefined) {
      this.#vmsOn.get(before)?.delete(vmId);
      this.#notedOn.delete(vmId);
    }
    if (now === undefined) return;
    this.#vmsOn.set(now, (this.#vmsOn.get(now) ?? new Set()).add(vmId));
    this.#notedOn.set(vmId, now);
  }

  /** Returns the VMs on a chassis: those that a change of the chassis concerns. */
  vmsOn(chassisId: string): Iterable<string> {
    return this.#vmsOn.get(chassisId) ?? [];
  }

  /** Returns the VM's state; undefined if the VM does not exist. */
  vm(vmId: string): Vm | undefined {
    const vm = this.vms.get(vmId);
    return vm.exists ? vm : undefined;
  }

  /** Returns the state of the chassis; undefined if it is not registered. */
  registered(chassisId: string): Chassis | undefined {
    const chassis = this.chassis.get(chassisId);
    return chassis.registered ? chassis : undefined;
  }

  /** Ids of the chassis that this agent runs, in order. */
  hosted(): string[] {
    return [...this.chassis.entries()]
      .filter(([, chassis]) => chassis.registered && chassis.agentId === this.#agentId)
      .map(([chassisId]) => chassisId)
      .sort();
  }

  /** Returns the id of the VM's chassis if this agent runs it, else null. */
  chassisOf(vmId: string): string | null {
    const chassisId = this.vm(vmId)?.chassisId ?? null;
    if (chassisId === null) return null;
    return this.registered(chassisId)?.agentId === this.#agentId ? chassisId : null;
  }

  /** Whether this agent runs the VM's chassis. */
  isHosted(vmId: string): boolean {
    return this.chassisOf(vmId) !== null;
  }

  /** Whether this agent must remove the machine of the VM, which has no place and is destroyed. */
  isRemover(vmId: string): boolean {
    const vm = this.vm(vmId);
    if (vm?.machineOn === undefined || !isBeingRemoved(vm)) return false;
    return this.registered(vm.machineOn)?.agentId === this.#agentId;
  }

  /** Returns true if the VM's present reservation has this fence and is on a chassis of this agent. */
  isOwn(vmId: string, fence: number): boolean {
    return this.vm(vmId)?.fence === fence && this.isHosted(vmId);
  }

  /**
   * Returns true if the VM's guest must not run here, because another agent may run the VM by now: the log is out of
   * reach, or the chassis is lost.
   */
  isHeld(vmId: string): boolean {
    const vm = this.vm(vmId);
    if (vm === undefined || vm.chassisId === null || !endsWithAgent(vm.vmType)) return false;
    return this.#isHolding() || (this.registered(vm.chassisId)?.lost ?? null) !== null;
  }
}
