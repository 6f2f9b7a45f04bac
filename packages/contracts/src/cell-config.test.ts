import { expect, it } from "vitest";
import { CELL_FIELDS, STATE_FIELDS } from "./courses.ts";
import { cellFieldsOf, configProblems } from "./index.ts";

const BASIC = { vmType: "basic", biologicalType: "syn3a" } as const;
const lacI = { name: "lacI", transcriptionPerMinute: 1 };
const repressedBy = (gene: string) => [{ gene, kind: "represses", threshold: 50, hill: 2 }];

it("genes of a circuit are settings of a cell, of any kind and in a machine", () => {
  const genes = [
    { ...lacI, regulatedBy: repressedBy("tetR") },
    { ...lacI, name: "tetR" },
  ];
  expect(configProblems(BASIC, { genes, partitionNoise: true })).toEqual([]);
  expect(configProblems({ vmType: "xcpng", biologicalType: "ecoli" }, { genes })).toEqual([]);
});

it("noise and age have values of their own, and one way to say the noise is enough", () => {
  for (const noise of ["none", "partition", "expression"])
    expect(configProblems(BASIC, { noise, age: "random" })).toEqual([]);
  expect(configProblems(BASIC, { noise: "loud", age: 3, partitionNoise: "yes" })).toEqual([
    { path: "config.noise", message: "must be none, partition, expression" },
    { path: "config.partitionNoise", message: "must be true or false" },
    { path: "config.noise", message: "is given beside partitionNoise: use one of the two" },
    { path: "config.age", message: "must be newborn, random" },
  ]);
});

it("every problem of the genes is reported with its path", () => {
  const genes = [
    { ...lacI, name: "r" },
    { name: "tetR", transcriptionPerMinute: -1, regulatedBy: repressedBy("lacI") },
  ];
  expect(configProblems(BASIC, { genes, parameterSet: "mine" }).map(({ path }) => path)).toEqual([
    "config.parameterSet",
    "config.genes.0.name",
    "config.genes.1.transcriptionPerMinute",
    "config.genes.1.regulatedBy.0.gene",
  ]);
  expect(configProblems(BASIC, { genes: "lacI" })).toEqual([
    { path: "config.genes", message: "is not a list" },
  ]);
});

it("a cell with genes has their amounts among the fields of its time course", () => {
  const names = (cellFieldsOf({ genes: [lacI] }) ?? []).map(({ name }) => name);
  const state = STATE_FIELDS.map(({ name }) => name);
  expect(names.slice(0, state.length)).toEqual(state);
  expect(names.slice(state.length, state.length + 4)).toEqual([
    "zg",
    "lacI.mrna",
    "lacI.complex",
    "lacI.protein",
  ]);
  expect(names).toHaveLength(CELL_FIELDS.length + 4);
  expect(cellFieldsOf({})).toEqual(CELL_FIELDS);
  expect(cellFieldsOf({ genes: [] })).toEqual(CELL_FIELDS);
});
