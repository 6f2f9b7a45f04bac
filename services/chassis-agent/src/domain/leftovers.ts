/**
 * When what a stopped guest left behind (its disks) is no longer wanted.
 *
 * It is kept while the VM may be started here again. It goes when the VM was destroyed, is another one by now, or has a
 * place elsewhere: what it left here would be an old state of it.
 */
import type { VmState } from "@bioxen/contracts";

/** `driverType`: the type of VM the driver runs that keeps it; `isHosted`: this agent runs the chassis the VM is on. */
export function isUnwanted(
  vm: VmState,
  isHosted: boolean,
  kept: { readonly incarnation: number },
  driverType: string,
): boolean {
  if (!vm.exists || vm.state === "destroyed") return true;
  if (vm.vmType !== driverType || vm.incarnation > kept.incarnation) return true;
  return vm.fence !== null && !isHosted;
}
