/** A model of another package and a chassis whose agent announces it, for tests. */
import type { ModelDeclaration } from "./models.ts";

export const TOY: ModelDeclaration = {
  name: "toy",
  version: 1,
  description: "A toy.",
  parameters: [{ name: "speed", unit: "1/min", range: [0, 1], default: 0.5, description: "Its speed." }],
  environment: [{ name: "light", unit: "lux", range: [0, 100], default: 10, description: "Light." }],
  outputs: [{ name: "mass", unit: "g", range: [0, 10], default: 1, description: "Its mass." }],
  parameterSets: [
    {
      name: "half",
      description: "Half as large.",
      parameters: { speed: 0.2 },
      fullDemand: { atpPerSecond: 400 },
    },
  ],
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: 1_000 } }],
  limitedBy: ["atpPerSecond"],
};
