/**
 * The settings in the `config` of a cell, checked against the types of the VM. Creates, fleet files and experiments use
 * the same check. Pools check the settings of machines.
 */
import { closestWord } from "@bioxen/kernel";
import type { Problem } from "./endpoints/problem.ts";
import type { VmTypes } from "./resources.ts";

const CELL_SETTINGS = ["parameterSet", "partitionNoise"];

/** Returns the problems of `config` of a VM of these types. */
export function configProblems(types: VmTypes, config: Readonly<Record<string, unknown>>): Problem[] {
  return [...parameterSetProblems(types, config), ...unknownSettings(types, config)];
}

/** Returns the problems of the parameter set: the published, unscaled parameters exist for E. coli only. */
function parameterSetProblems(
  { biologicalType }: VmTypes,
  config: Readonly<Record<string, unknown>>,
): Problem[] {
  const wanted = config["parameterSet"];
  if (wanted === undefined || wanted === "default") return [];
  if (wanted === "weisse-2015" && biologicalType === "ecoli") return [];
  return [{ path: "config.parameterSet", message: 'must be "default", or "weisse-2015" for ecoli' }];
}

/** Returns one problem for each setting of a cell that its model does not have. */
function unknownSettings({ vmType }: VmTypes, config: Readonly<Record<string, unknown>>): Problem[] {
  if (vmType !== "basic") return [];
  const unknown = Object.keys(config).filter((name) => !CELL_SETTINGS.includes(name));
  return unknown.map((name) => {
    const meant = closestWord(name, CELL_SETTINGS);
    const hint = meant === undefined ? `use ${CELL_SETTINGS.join(", ")}` : `did you mean config.${meant}?`;
    return { path: `config.${name}`, message: `is not a setting of a cell: ${hint}` };
  });
}
