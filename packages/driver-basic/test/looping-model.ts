/** A cell model whose cells never return from a given minute on. */
import type { CellAllocation, CellModel, LivingCell, MediumFields, ModelOptions } from "@bioxen/cell-models";

class Looping implements LivingCell {
  readonly environment = {};
  simMinutes: number;
  allocation: CellAllocation;
  readonly #loopsAtMinute: number;

  constructor(
    simMinutes: number,
    { allocation, parameters }: Pick<ModelOptions, "allocation" | "parameters">,
  ) {
    this.simMinutes = simMinutes;
    this.allocation = allocation;
    this.#loopsAtMinute = parameters["loopsAtMinute"] ?? 0;
  }

  advance(minutes: number): number {
    this.simMinutes += minutes;
    while (this.simMinutes >= this.#loopsAtMinute);
    return 0;
  }

  sample() {
    const { simMinutes } = this;
    return { simMinutes, growthRatePerMinute: 0, doublingTimeMinutes: null, divisions: 0, health: 100 };
  }

  setAllocation(allocation: CellAllocation): void {
    this.allocation = allocation;
  }

  setEnvironment(_environment: MediumFields): void {}

  snapshot() {
    return { simMinutes: this.simMinutes, allocation: this.allocation };
  }
}

export const cellModel: CellModel = {
  name: "looping",
  version: 1,
  description: "Cells that never return from a minute on.",
  parameters: [
    { name: "loopsAtMinute", unit: "min", range: [0, 1e6], default: 1e6, description: "The last minute." },
  ],
  environment: [],
  outputs: [],
  parameterSets: [],
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: 1 } }],
  limitedBy: [],
  boot: (options) => new Looping(0, options),
  restore: (snapshot) =>
    new Looping(
      Number(snapshot["simMinutes"]),
      snapshot as unknown as Pick<ModelOptions, "allocation" | "parameters">,
    ),
};
