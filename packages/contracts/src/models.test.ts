import { describe, expect, it } from "vitest";
import { cellFieldsOf, cellProblems } from "./cell-config.ts";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import { mismatchOf } from "./feasibility.ts";
import type { Chassis } from "./fold/chassis.ts";
import { TOY } from "./models.testing.ts";
import { knownModels, modelRefusal, modelsFor, withDemand } from "./models.ts";
import { requestParts } from "./resources.ts";

const chassis = (models: Chassis["models"]) =>
  ({ chassisType: "ecoli", capacity: { ribosomes: 1 }, labels: {}, models }) as unknown as Chassis;
const toys = [TOY] as unknown as NonNullable<Chassis["models"]>;
const known = knownModels([{}, { models: toys }]);
const toy = { biologicalType: "ecoli", vmType: "basic", config: { model: "toy" } } as const;
const paths = (problems: readonly { path: string }[]) => problems.map(({ path }) => path);

describe("the models that agents announce", () => {
  it("are the built-in one and the newest version of each other one", () => {
    const newer = { ...toys[0], version: 3 } as (typeof toys)[number];
    expect([...known.keys()]).toEqual(["weisse", "toy"]);
    const both = knownModels([{ models: [newer] }, { models: toys }]);
    expect(both.get("toy")?.version).toBe(3);
    const unread = () => expect.unreachable("no chassis is read for the built-in model");
    expect([...modelsFor({ model: "weisse" }, unread).keys()]).toEqual(["weisse"]);
  });

  it("decide where a VM can run, and a model that none announces is refused by name", () => {
    const vm = { vmType: "basic", placement: {}, config: toy.config } as const;
    expect(mismatchOf(vm, "ecoli-1", chassis(toys))).toBeUndefined();
    expect(mismatchOf(vm, "ecoli-1", chassis(undefined))).toEqual({
      code: "MODEL_NOT_FOUND",
      message: "its agent has no cell model toy",
    });
    expect(mismatchOf({ ...vm, config: {} }, "ecoli-1", chassis(undefined))).toBeUndefined();
    expect(modelRefusal({ model: "yeast" }, known)?.rejection).toMatchObject({
      code: "MODEL_NOT_FOUND",
      details: { models: ["toy", "weisse"] },
    });
  });

  it("decide the full demand, of which shares are taken, by the chosen set", () => {
    const amounts = (config: object, resources: object) =>
      requestParts(withDemand({ ...toy, config: { ...toy.config, ...config } }, known), resources).request;
    expect(amounts({}, {})).toEqual({ atpPerSecond: 1_000 });
    expect(amounts({}, { atpPerSecond: "25%" })).toEqual({ atpPerSecond: 250 });
    expect(amounts({ parameterSet: "half" }, { atpPerSecond: "25%" })).toEqual({ atpPerSecond: 100 });
  });

  it("decide the settings, the environment and the schedule, each problem with its path", () => {
    const config = {
      model: "toy",
      parameterSet: "none",
      parameters: { speed: 2, sped: 1 },
      genes: [],
      odd: 1,
    };
    const schedule = [{ environment: { light: 1 } }, { environment: { lihgt: 1 } }];
    const wrong = { ...toy, config, environment: { substrate: 1, light: -1 }, schedule };
    expect(paths(cellProblems(wrong, known))).toEqual([
      "config.parameterSet",
      "config.parameters.speed",
      "config.parameters.sped",
      "config.genes",
      "config.odd",
      "environment.substrate",
      "environment.light",
      "schedule.1.environment.lihgt",
    ]);
    const fine = { ...toy, config: { model: "toy", parameters: { speed: 1 } }, environment: { light: 0 } };
    expect(cellProblems(fine, known)).toEqual([]);
    expect(paths(cellProblems({ ...toy, biologicalType: "syn3a" }, known))).toEqual(["biologicalType"]);
    expect(paths(cellProblems({ ...toy, vmType: "xcpng" }, known))).toEqual(["config.model"]);
    // Without the models of the agents, the settings of another model are not judged.
    expect(cellProblems({ ...wrong, config: { model: "toy", parameters: { speed: 2 } } })).toEqual([]);
  });

  it("do not change what the built-in model accepts", () => {
    const cell = { biologicalType: "syn3a", vmType: "basic", config: {} } as const;
    const wrong = {
      ...cell,
      config: { model: "weisse", parameters: { speed: 1 } },
      environment: { nutrientquality: 1 },
    };
    expect(cellProblems(wrong, known)).toEqual([
      { path: "config.parameters.speed", message: "is not a field of the model weisse: it has none" },
      {
        path: "environment.nutrientquality",
        message: "is not a field of this command: did you mean environment.nutrientQuality?",
      },
    ]);
    expect(paths(cellProblems({ ...cell, config: { model: 7 } }, known))).toEqual(["config.model"]);
  });

  it("name the columns of a time course", () => {
    expect(cellFieldsOf(toy.config, known)?.map(({ name }) => name)).toEqual([
      "growthRatePerMinute",
      "doublingTimeMinutes",
      "mass",
      "allocation.ribosomes",
      "allocation.rnaPolymerases",
      "allocation.atpPerSecond",
      "allocation.dnaKilobases",
      "environment.light",
    ]);
    expect(cellFieldsOf(toy.config)).toBeUndefined();
  });
});

describe("an announcement", () => {
  const register = { chassisId: "c", chassisType: "ecoli", agentId: "a" };
  const problems = (models: unknown) => {
    const parsed = ENDPOINTS.chassisRegister.request.safeParse({ ...register, models });
    return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join("."));
  };

  it("is a list of declarations without problems", () => {
    expect(problems([TOY])).toEqual([]);
    expect(problems([])).toEqual([]);
    expect(problems([TOY, TOY])).toEqual(["models"]);
    expect(problems([{ ...TOY, name: "weisse" }])).toEqual(["models.0.name"]);
    expect(problems([{ ...TOY, parameters: [{ ...TOY.parameters[0], default: 7 }] }])).toEqual([
      "models.0.parameters.0.default",
    ]);
    expect(problems([{ ...TOY, more: 1 }])).toEqual(["models.0"]);
    expect(problems(Array.from({ length: 9 }, (_, i) => ({ ...TOY, name: `toy-${i}` })))).toEqual(["models"]);
  });
});
