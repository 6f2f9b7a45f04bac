import type { ExperimentVmView } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { resultsCsv } from "./experiment-results.ts";

const vm = (vmId: string, more: Partial<ExperimentVmView> = {}): ExperimentVmView => ({
  vmId,
  values: { "config.parameterSet": "weisse-2015", "environment.nutrientQuality": 0.5 },
  replicate: 1,
  seed: 7,
  status: "recorded",
  reason: null,
  incarnation: 1,
  rowCount: 2,
  digest: "d1",
  columnSet: 0,
  final: [1.5, null],
  ...more,
});
const [A, B, C] = ["a", "b", "c"].map((name) => ({ name, unit: "1" }));
const SETS = [
  [A, B],
  [B, C],
] as never;

it("has one line for each VM, with its values, its final fields and its digest", () => {
  expect(resultsCsv({ columnSets: SETS, vms: [vm("x-1")] })).toBe(
    "vm,config.parameterSet,environment.nutrientQuality,replicate,seed,a [1],b [1],digest\nx-1,weisse-2015,0.5,1,7,1.5,,d1\n",
  );
});

it("is the same whichever VM was recorded first, and leaves out what differs between two runs", () => {
  const one = [vm("x-1"), vm("x-2", { columnSet: 1, final: [3, 4], incarnation: 2, reason: "why" })];
  const other = [vm("x-1", { columnSet: 1 }), vm("x-2", { columnSet: 0, final: [3, 4] })];
  const turned = [...(SETS as object[])].reverse() as never;
  const text = resultsCsv({ columnSets: SETS, vms: one });
  expect(text).toBe(resultsCsv({ columnSets: turned, vms: other }));
  expect(text.split("\n")[0]).toContain("a [1],b [1],c [1]");
});

it("leaves the fields of a VM without a result empty, and quotes what needs it", () => {
  const failed = vm("x-2", { values: { label: 'a,"b"' }, digest: null, columnSet: null, final: [] });
  expect(resultsCsv({ columnSets: SETS, vms: [vm("x-1", { values: { label: [1] } }), failed] })).toBe(
    'vm,label,replicate,seed,a [1],b [1],digest\nx-1,[1],1,7,1.5,,d1\nx-2,"a,""b""",1,7,,,\n',
  );
});
