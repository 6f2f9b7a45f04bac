import { AGGREGATE_KINDS, vmFold } from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { withEveryKind } from "./snapshot-sinks.ts";

it("adds a fold for each kind that a service does not fold, and folds no kind twice", () => {
  const vms = new ReadModel("vm", vmFold);
  const sinks = withEveryKind([vms]);
  expect(sinks[0]).toBe(vms);
  expect(sinks.map(({ kind }) => kind).sort()).toEqual([...AGGREGATE_KINDS].sort());
});
