import { cellNeedsOf, type Vm, withCell } from "@bioxen/contracts";
import { cellNeeds } from "@bioxen/driver-xcpng";
import { expect, it } from "vitest";

const COUNTED = { vcpus: 2, memoryMiB: 2_048 };
type Asked = Pick<Vm, "cell" | "environment" | "config" | "program">;
const NOTHING: Asked = { environment: {}, config: {}, program: null };

/** What the driver of the pool asks of a cell, for the spec that the agent makes of such a VM. */
function askedByDriver({ cell, environment, config, program }: Asked): readonly string[] {
  const allocation = withCell(COUNTED, cell);
  const identity = { vmId: "x1", fence: 1, incarnation: 1, biologicalType: "ecoli", seed: 1 };
  return cellNeeds({ ...identity, allocation, environment, config, program: program ?? undefined });
}

it.each<[string, Partial<Asked>, readonly string[]]>([
  ["nothing", {}, []],
  ["settings of the machine", { config: { template: "t", shutdown: "hard" } }, []],
  ["amounts", { cell: { ribosomes: 252, dnaKilobases: 5 } }, ["ribosomes", "dnaKilobases"]],
  ["a medium", { environment: { nutrientQuality: 0.5 } }, ["environment.nutrientQuality"]],
  ["settings of the cell", { config: { parameterSet: "weisse-2015" } }, ["config.parameterSet"]],
  ["a program", { program: "return 1" }, ["program"]],
  [
    "everything",
    { cell: { ribosomes: 1 }, environment: { substrate: 1 }, config: { partitionNoise: true }, program: "x" },
    ["ribosomes", "environment.substrate", "config.partitionNoise", "program"],
  ],
])("the scheduler and the driver agree on what needs a cell: %s", (_what, asked, expected) => {
  expect(cellNeedsOf({ ...NOTHING, ...asked, vmType: "xcpng" })).toEqual(expected);
  expect(askedByDriver({ ...NOTHING, ...asked })).toEqual(expected);
});

it("a VM that is no machine needs no cell in one", () => {
  expect(cellNeedsOf({ ...NOTHING, program: "x", vmType: "basic" })).toBeUndefined();
});
