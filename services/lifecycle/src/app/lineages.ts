/**
 * The number of VMs of each lineage, for the limit of it. The first question reads all VMs; each later change of a VM is
 * noted, so that a question costs the same in a fleet of any size.
 */
import type { VmState } from "@bioxen/contracts";
import type { Aggregates } from "@bioxen/kernel";

export class Lineages {
  readonly #vms: Pick<Aggregates<VmState>, "ids" | "get">;
  #members: Map<string, Set<string>> | undefined;

  constructor(vms: Pick<Aggregates<VmState>, "ids" | "get">) {
    this.#vms = vms;
  }

  /** Call it after each event of a VM. */
  note(vmId: string, vm: VmState): void {
    const members = this.#members;
    if (members === undefined || !vm.exists) return;
    const root = vm.birth?.root ?? vmId;
    const lineage = members.get(root);
    if (vm.state === "destroyed") {
      lineage?.delete(vmId);
      if (lineage?.size === 0) members.delete(root);
    } else if (lineage !== undefined) lineage.add(vmId);
    else members.set(root, new Set([vmId]));
  }

  /** Returns the number of VMs that are not destroyed and descend from the VM with this id, with that VM. */
  sizeOf(root: string): number {
    if (this.#members === undefined) {
      this.#members = new Map();
      for (const vmId of this.#vms.ids()) this.note(vmId, this.#vms.get(vmId).state);
    }
    return this.#members.get(root)?.size ?? 0;
  }
}
