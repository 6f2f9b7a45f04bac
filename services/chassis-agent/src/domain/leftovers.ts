/**
 * Decides when the remains of a stopped guest (its disks) are removed.
 *
 * The remains are kept while the VM may start here again. They are removed when the VM is destroyed, has a new
 * incarnation or another type, or has a reservation on another chassis: a later start must not use outdated disks.
 */
import type { VmState } from "@bioxen/contracts";

/**
 * Returns true when the remains must be removed. `isHosted` says whether this agent runs the VM's chassis. `driverType`
 * is the VM type of the driver that keeps the remains.
 */
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
