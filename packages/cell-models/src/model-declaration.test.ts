import { describe, expect, it } from "vitest";
import { WEISSE } from "./cell-model.ts";
import { cellModelProblems } from "./cell-model-problems.ts";
import {
  type DeclaredQuantity,
  declarationOf,
  declarationProblems,
  type ModelDeclaration,
} from "./model-declaration.ts";
import {
  environmentOf,
  environmentValueProblems,
  fullDemandOf,
  parametersOf,
  settingProblems,
} from "./model-settings.ts";
import { WEISSE_DECLARATION } from "./weisse-declaration.ts";

const quantity = (name: string, more: Partial<DeclaredQuantity> = {}): DeclaredQuantity => ({
  name,
  unit: "1",
  range: [0, 10],
  default: 1,
  description: "Some number.",
  ...more,
});
const declaration: ModelDeclaration = {
  name: "toy",
  version: 3,
  description: "A toy.",
  parameters: [quantity("a"), quantity("b", { range: [-5, 5], default: 0 })],
  environment: [quantity("light"), quantity("salt")],
  outputs: [quantity("mass")],
  parameterSets: [
    {
      name: "dark",
      description: "Little light.",
      parameters: { a: 2 },
      environment: { light: 3 },
      biologicalTypes: ["ecoli"],
      fullDemand: { ribosomes: 5 },
    },
  ],
  biologicalTypes: [
    { name: "ecoli", fullDemand: { ribosomes: 10 }, environment: { light: 7, salt: 4 } },
    { name: "syn3a", fullDemand: { atpPerSecond: 20 } },
  ],
  limitedBy: ["ribosomes"],
};

describe("a declaration", () => {
  it("of the built-in model, and a complete one of another model, has no problems", () => {
    expect(declarationProblems(WEISSE_DECLARATION)).toEqual([]);
    expect(declarationProblems(declaration)).toEqual([]);
  });

  it("is announced without the model's functions", () => {
    expect(declarationOf({ ...WEISSE })).toEqual(WEISSE_DECLARATION);
    expect(JSON.parse(JSON.stringify(declarationOf(declaration)))).toEqual(declaration);
  });

  it("is checked completely: every problem is named", () => {
    const wrong = {
      ...declaration,
      name: "No Name",
      version: 0,
      description: "",
      parameters: [quantity("a", { range: [3, 1] }), quantity("a", { default: 11 }), quantity("b c")],
      environment: "none",
      outputs: [quantity("growthRatePerMinute"), { ...quantity("x"), extra: 1 }],
      parameterSets: [
        {
          name: "s",
          description: "S.",
          parameters: { z: 1 },
          environment: {},
          biologicalTypes: ["yeast"],
          fullDemand: { ribosomes: 1.5 },
        },
      ],
      biologicalTypes: [{ name: "ecoli", fullDemand: { sugar: 1 } }],
      limitedBy: ["sugar"],
      stateVariables: [{ name: "" }],
    };
    expect(declarationProblems(wrong).map((text) => text.split(":")[0])).toEqual(
      [
        "name",
        "version",
        "description",
        "parameters.0.range",
        "parameters.1.default",
        "parameters.2.name",
        "parameters.1.name",
        "outputs.0.name",
        "outputs.1.extra",
        "environment",
        "parameterSets.0.parameters.z",
        "parameterSets.0.fullDemand.ribosomes",
        "parameterSets.0.biologicalTypes.0",
        "biologicalTypes.0.fullDemand.sugar",
        "limitedBy.0",
        "stateVariables.0.name",
        "stateVariables.0.unit",
      ].sort((x, y) => order(wrong, x) - order(wrong, y)),
    );
    expect(declarationProblems(undefined)).toEqual(["is not an object"]);
    const large = Array.from({ length: 60 }, (_, i) => quantity(`q${i}`, { description: "x".repeat(240) }));
    const parameters = [...declaration.parameters, ...large];
    expect(declarationProblems({ ...declaration, parameters })).toEqual([
      expect.stringMatching(/more than 16384/),
    ]);
  });

  it("belongs to a model that can boot and restore, under a name of its own", () => {
    expect(cellModelProblems({ ...declaration, name: "weisse" })).toEqual([
      "name: weisse is the built-in model's",
      "boot: is not a function",
      "restore: is not a function",
    ]);
    expect(cellModelProblems({ ...WEISSE, name: "other" })).toEqual([]);
  });
});

/** The place of a problem's field among the fields of the declaration. */
function order(wrong: object, path: string): number {
  return Object.keys(wrong).indexOf(path.split(".")[0] ?? "");
}

describe("the settings of a cell", () => {
  const ecoli = { biologicalType: "ecoli" };

  it("are completed: what is given, then the set, then the type, then the field", () => {
    expect(parametersOf(declaration, ecoli)).toEqual({ a: 1, b: 0 });
    expect(parametersOf(declaration, { ...ecoli, parameterSet: "dark", parameters: { b: -1 } })).toEqual({
      a: 2,
      b: -1,
    });
    expect(environmentOf(declaration, ecoli, {})).toEqual({ light: 7, salt: 4 });
    expect(environmentOf(declaration, { ...ecoli, parameterSet: "dark" }, { salt: 0 })).toEqual({
      light: 3,
      salt: 0,
    });
    expect(environmentOf(declaration, { biologicalType: "syn3a" }, {})).toEqual({ light: 1, salt: 1 });
    expect(fullDemandOf(declaration, ecoli)).toEqual({ ribosomes: 10 });
    expect(fullDemandOf(declaration, { ...ecoli, parameterSet: "dark" })).toEqual({ ribosomes: 5 });
    expect(fullDemandOf(declaration, { biologicalType: "yeast" })).toBeUndefined();
  });

  it("are refused with every problem", () => {
    const settings = { biologicalType: "syn3a", parameterSet: "dark", parameters: { a: 11, b: "1", c: 0 } };
    expect(settingProblems(declaration, settings).map(({ path }) => path)).toEqual([
      "parameterSet",
      "parameters.a",
      "parameters.b",
      "parameters.c",
    ]);
    expect(
      settingProblems(declaration, { biologicalType: "yeast", parameters: [1] }).map(({ path }) => path),
    ).toEqual(["biologicalType", "parameters"]);
    expect(settingProblems(declaration, { ...ecoli, parameterSet: "default" })).toEqual([]);
    expect(
      environmentValueProblems(declaration, { light: -1, dark: 1, salt: undefined }).map(({ path }) => path),
    ).toEqual(["environment.light", "environment.dark"]);
  });
});
