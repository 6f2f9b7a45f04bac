/**
 * The optimum of a VM: the smallest allocation with which its cell grows nearly at its best rate. The cell model
 * computes the rates. The growth rate at the optimum is at most 2 % below the best rate.
 *
 * The caller's process computes the optimum, because the computation takes some tenths of a second of processor time:
 * too much for a service.
 */
import {
  type CellEnvironment,
  type Optimum,
  optimiseAllocation,
  type ParameterSetName,
} from "@bioxen/cell-models";
import {
  BUILT_IN_MODELS,
  DEFAULT_MODEL,
  fullDemandOfTypes,
  otherModelOf,
  type VmView,
  withDemand,
} from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

/**
 * Returns the optimum of a `basic` VM. No resource of the optimum exceeds the full demand of the VM's biological type.
 * With `reachable`, the largest amounts that the VM can hold, no resource exceeds these amounts either. Genome space
 * (`dnaKilobases`) is always that of the full demand. Throws `RangeError` for another VM type.
 */
export function optimumOf(vm: VmView, reachable?: Amounts): Optimum {
  if (vm.vmType !== "basic")
    throw new RangeError(`${vm.vmId} is of type ${vm.vmType}: only basic VMs have a cell model`);
  const other = otherModelOf(vm.config);
  if (other !== undefined)
    throw new RangeError(`${vm.vmId} is a cell of ${other}: only ${DEFAULT_MODEL} has an optimum`);
  const full = fullDemandOfTypes(withDemand(vm, BUILT_IN_MODELS));
  const most = Object.fromEntries(
    Object.entries(full).map(([name, amount]) => [
      name,
      name === "dnaKilobases" ? amount : Math.min(amount, reachable?.[name] ?? (reachable ? 0 : amount)),
    ]),
  );
  const parameterSet = vm.config["parameterSet"] as ParameterSetName | undefined;
  return optimiseAllocation({
    biologicalType: vm.biologicalType,
    parameterSet,
    environment: vm.environment as CellEnvironment,
    most,
  });
}
