/** The allocation of a cell inside a machine. */
import { type BiologicalType, cellTypeOf, type ParameterSetName } from "@bioxen/cell-models";
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { CELL_RATES, type CellSpec } from "./protocol.ts";

/**
 * Returns the allocation of the cell: resources of the machine, such as `vcpus`, are left out, and a missing resource
 * of the cell is the full demand of its type. Throws `BAD_REQUEST` for an unknown type or parameter set.
 */
export function cellAllocation(
  { biologicalType, config }: Pick<CellSpec, "biologicalType" | "config">,
  allocation: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const { fullDemand } = typeOf(biologicalType, config["parameterSet"]);
  const amounts = CELL_RATES.map((name) => [name, allocation[name] ?? fullDemand[name]]);
  return Object.fromEntries(amounts);
}

function typeOf(biologicalType: string, parameterSet: unknown): ReturnType<typeof cellTypeOf> {
  try {
    // The model checks the names and reports an unknown one.
    return cellTypeOf(biologicalType as BiologicalType, parameterSet as ParameterSetName | undefined);
  } catch (error) {
    throw new DriverError("BAD_REQUEST", messageOf(error), { cause: error });
  }
}
