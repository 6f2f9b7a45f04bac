import type { VmSample } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { cellNeedLines } from "./vm-words.ts";

const machine = (agent: object | null): VmSample =>
  ({ simMinutes: 1, machine: { vcpus: 2, agent } }) as unknown as VmSample;
const AGENT = { version: "0.2.0", model: "weisse", state: "running" };

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
