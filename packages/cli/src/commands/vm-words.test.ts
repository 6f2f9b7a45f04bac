import type { VmSample, VmView } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { cellNeedLines, vmTable } from "./vm-words.ts";

const machine = (agent: object | null): VmSample =>
  ({ simMinutes: 1, machine: { vcpus: 2, agent } }) as unknown as VmSample;
const AGENT = { version: "0.2.0", model: "weisse", state: "running" };

/** The cells of the wide table for a VM with this allocation, by the heads of their columns. */
function wideRow(allocation: VmView["allocation"]): Record<string, string> {
  const state = { state: "running", chassisId: "xcpng-1", priority: 1, version: 1, createdAtMs: 0 };
  const kind = { vmId: "x1", vmType: "xcpng", biologicalType: "ecoli", labels: {}, reason: null };
  const vm = { ...kind, ...state, allocation } as unknown as VmView;
  const [heads = [], values = []] = vmTable([vm], 0, new Map(), { isWide: true })
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  return Object.fromEntries(heads.map((head, i) => [head, values[i] ?? ""]));
}

describe("the table of VMs", () => {
  it("has the ribosomes of a cell in a machine, and none for a machine without one", () => {
    const machineOnly = wideRow({ vcpus: 2, memoryMiB: 2_048 });
    expect(machineOnly).toMatchObject({ RIBOSOMES: "–", VCPUS: "2", "MEM MIB": "2048" });
    const withCell = wideRow({ vcpus: 4, memoryMiB: 1_024, ribosomes: 252 });
    expect(withCell).toMatchObject({ RIBOSOMES: "252", VCPUS: "4", "MEM MIB": "1024" });
  });
});

describe("what `vm explain` says about the cell of a machine", () => {
  it("is nothing for a VM that is no machine", () => {
    expect(cellNeedLines({ state: "running" }, null)).toEqual([]);
  });

  it("is what the VM asks for, and what its machine has now", () => {
    const asks = { cellNeeds: ["ribosomes", "program"] };
    const needs =
      "It asks for a cell (ribosomes, program): its start waits for the guest agent bioxen-cell in its machine, and fails without one.";
    expect(cellNeedLines({ ...asks, state: "stopped" }, null)).toEqual([needs]);
    expect(cellNeedLines({ ...asks, state: "starting" }, machine(null))).toEqual([
      needs,
      "Its machine has not reported that cell yet.",
    ]);
    expect(cellNeedLines({ ...asks, state: "running" }, machine(AGENT))).toEqual([
      needs,
      "Its guest now: cell in a machine (guest agent 0.2.0, model weisse), not measured.",
    ]);
  });

  it("says of a VM that asks for no cell that it runs without the guest agent", () => {
    expect(cellNeedLines({ cellNeeds: [], state: "running" }, machine(null))).toEqual([
      "It asks for no cell: it starts with and without the guest agent bioxen-cell in its machine.",
      "Its guest now: machine without a cell: no guest agent has reported.",
    ]);
  });
});
