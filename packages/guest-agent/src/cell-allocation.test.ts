import { driverErrorCode } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { cellAllocation } from "./cell-allocation.ts";

const SYN3A = { biologicalType: "syn3a", config: {} };
const FULL = { ribosomes: 503, atpPerSecond: 13_247, rnaPolymerases: 187 };

it("is the full demand where nothing is allocated, and leaves out what the machine has", () => {
  expect(cellAllocation(SYN3A, {})).toEqual(FULL);
  expect(cellAllocation(SYN3A, { ribosomes: 0, vcpus: 2, memoryMiB: 512 })).toEqual({
    ...FULL,
    ribosomes: 0,
  });
});

it("rejects an unknown type", () => {
  const unknown = () => cellAllocation({ biologicalType: "yeast", config: {} }, {});
  expect(unknown).toThrow(/"yeast" is none of/);
  try {
    unknown();
  } catch (error) {
    expect(driverErrorCode(error)).toBe("BAD_REQUEST");
  }
});
