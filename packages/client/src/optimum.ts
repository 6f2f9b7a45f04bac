/**
 * The smallest allocation with which a VM grows nearly as well as it can, computed from the model of its cell where it is asked for: it
 * takes the processor some tenths of a second, which no service has to spare.
 */
import {
  type CellEnvironment,
  type Optimum,
  optimiseAllocation,
  type ParameterSetName,
} from "@bioxen/cell-models";
import { fullDemand, type VmView } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

/**
 * `reachable`: what it could have at most, what it holds included; absent: anything. Room for its genome is never less than its type's.
 * Throws `RangeError` for a VM that is no cell.
 */
export function optimumOf(vm: VmView, reachable?: Amounts): Optimum {
  if (vm.vmType !== "basic")
    throw new RangeError(`${vm.vmId} is of type ${vm.vmType}: it has no cell to compute`);
  const full = fullDemand(vm.biologicalType, vm.vmType);
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
