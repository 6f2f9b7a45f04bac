/**
 * The settings in the `config` of a cell, checked against the types of the VM. Creates, fleet files and experiments use
 * the same check. Pools check the settings of machines.
 */
import { type GeneSpec, geneProblems, geneVariables } from "@bioxen/cell-models/genes";
import { closestWord } from "@bioxen/kernel";
import { CELL_FIELDS, type CourseColumn, STATE_FIELDS } from "./courses.ts";
import type { Problem } from "./endpoints/problem.ts";
import type { VmTypes } from "./resources.ts";

/** Settings in the `config` of a VM that are those of its cell. */
export const CELL_SETTINGS: readonly string[] = ["parameterSet", "partitionNoise", "genes"];

/** Returns the problems of `config` of a VM of these types. */
export function configProblems(types: VmTypes, config: Readonly<Record<string, unknown>>): Problem[] {
  return [
    ...parameterSetProblems(types, config),
    ...circuitProblems(config),
    ...unknownSettings(types, config),
  ];
}

/** Returns the problems of the genes of a circuit, each with the path of its value. */
function circuitProblems({ genes }: Readonly<Record<string, unknown>>): Problem[] {
  if (genes === undefined) return [];
  return geneProblems(genes).map(({ path, message }) => ({ path: `config.${path}`, message }));
}

/** Returns the fields of a cell with this `config`, in the order of their columns in a time course. */
export function cellFieldsOf({ genes }: Readonly<Record<string, unknown>>): readonly CourseColumn[] {
  if (genes === undefined || geneProblems(genes).length > 0) return CELL_FIELDS;
  const ofGenes = geneVariables(genes as readonly GeneSpec[]).map((name) => ({ name, unit: "molecules" }));
  return [...STATE_FIELDS, ...ofGenes, ...CELL_FIELDS.slice(STATE_FIELDS.length)];
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
