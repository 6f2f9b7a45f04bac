import type { Vm, VmState } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { isUnwanted } from "./leftovers.ts";

const kept = { vmId: "x1", incarnation: 2, fence: 7 };
const vm = (fields: Partial<Vm>) =>
  ({ exists: true, vmType: "xcpng", incarnation: 2, state: "stopped", fence: null, ...fields }) as VmState;

describe("the remains of a stopped guest", () => {
  it("are kept while the VM may start here again", () => {
    expect(isUnwanted(vm({}), false, kept, "xcpng")).toBe(false);
    expect(isUnwanted(vm({ state: "pending" }), false, kept, "xcpng")).toBe(false);
    expect(isUnwanted(vm({ state: "starting", fence: 9 }), true, kept, "xcpng")).toBe(false);
  });

  it("are removed when the VM is gone, has changed, or is on another chassis", () => {
    expect(isUnwanted({ exists: false }, false, kept, "xcpng")).toBe(true);
    expect(isUnwanted(vm({ state: "destroyed" }), false, kept, "xcpng")).toBe(true);
    expect(isUnwanted(vm({ incarnation: 3 }), false, kept, "xcpng")).toBe(true);
    expect(isUnwanted(vm({ vmType: "basic" }), false, kept, "xcpng")).toBe(true);
    expect(isUnwanted(vm({ state: "running", fence: 9 }), false, kept, "xcpng")).toBe(true);
  });
});
