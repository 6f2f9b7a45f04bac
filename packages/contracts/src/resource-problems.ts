/**
 * Resources that a request names, checked against the types of the VM. Creates, resizes, plans and fleet files use the
 * same check.
 */
import type { Problem } from "./endpoints/problem.ts";
import {
  type RequestedAmount,
  type ResourceName,
  requestableAmounts,
  requestedAmounts,
  type VmTypes,
} from "./resources.ts";

export type RequestedResources = Readonly<Partial<Record<ResourceName, RequestedAmount | undefined>>>;

/** Returns one problem for each name that is not a resource of the VM's type. `field` is the path of the resources. */
export function foreignResources(field: string, requested: object, types: VmTypes): Problem[] {
  const full = requestableAmounts(types);
  const foreign = Object.keys(requested).filter((name) => !(name in full));
  return foreign.map((name) => ({
    path: `${field}.${name}`,
    message: `is not a resource of a ${types.vmType} VM: use ${Object.keys(full).sort().join(", ")}`,
  }));
}

/**
 * Returns the problems of the requested resources of a VM: foreign names, and a genome of another size than that of the
 * biological type. A cell needs its whole genome, so its size is no choice.
 */
export function resourceProblems(
  types: VmTypes,
  requested: RequestedResources,
  field = "resources",
): Problem[] {
  const problems = foreignResources(field, requested, types);
  const full = requestableAmounts(types);
  const genome = full["dnaKilobases"];
  if (genome === undefined || requested.dnaKilobases === undefined) return problems;
  const wanted = requestedAmounts(requested, full, { dnaKilobases: 0 })["dnaKilobases"];
  if (wanted === genome) return problems;
  const message = `must be ${genome}, the size of the genome of ${types.biologicalType}: leave it out`;
  return [...problems, { path: `${field}.dnaKilobases`, message }];
}
