/**
 * The declaration of the built-in model: its types and sets from `cell-types.ts`, its environment from `allocation.ts`.
 */
import { environmentBounds } from "./allocation.ts";
import { biologicalTypes, cellTypeOf } from "./cell-types.ts";
import type { DeclaredQuantity, ModelDeclaration } from "./model-declaration.ts";
import { STATE_NAMES, variablesOf } from "./state.ts";

/** The medium of the published cell. Each biological type has a nutrient quality of its own. */
const { surroundings: PUBLISHED_MEDIUM } = cellTypeOf("ecoli", "weisse-2015");

function field(name: keyof typeof environmentBounds, unit: string, description: string): DeclaredQuantity {
  return { name, unit, range: [0, environmentBounds[name]], default: PUBLISHED_MEDIUM[name], description };
}

export const WEISSE_DECLARATION: ModelDeclaration = {
  name: "weisse",
  version: 2,
  description:
    "Growth under limited ribosomes, RNA polymerases and ATP: Weiße et al. 2015, doi:10.1073/pnas.1416533112. Takes genes of a circuit in config.genes.",
  parameters: [],
  environment: [
    field(
      "nutrientQuality",
      "1",
      "Energy that a cell gains per molecule of nutrient; published range 0.08 to 0.5.",
    ),
    field("substrate", "molecules", "Nutrient outside the cell."),
    field("chloramphenicolMicromolar", "µM", "Concentration of chloramphenicol in the medium."),
  ],
  outputs: [],
  parameterSets: [
    { name: "default", description: "The published cell, scaled and fitted to the biological type." },
    {
      name: "weisse-2015",
      description:
        "The published parameters, unscaled. At rest as published; import is throttled above an energy of 4.5e5, so for hours after a shift to better nutrient λ can differ (from 0.1 to 0.5: −20 % at 5 min, +8 % at 60 min).",
      biologicalTypes: ["ecoli"],
      environment: { nutrientQuality: PUBLISHED_MEDIUM.nutrientQuality },
      fullDemand: cellTypeOf("ecoli", "weisse-2015").fullDemand,
    },
  ],
  biologicalTypes: biologicalTypes.map((name) => {
    const { fullDemand, surroundings } = cellTypeOf(name);
    return { name, fullDemand, environment: { nutrientQuality: surroundings.nutrientQuality } };
  }),
  limitedBy: ["ribosomes", "rnaPolymerases", "atpPerSecond"],
  stateVariables: variablesOf(STATE_NAMES),
};
