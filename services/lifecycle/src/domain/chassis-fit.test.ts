/**
 * Whether a pool could ever run a machine: one of its hosts needs as many processors as the machine may get.
 */
import type { Chassis, Vm } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { infeasibleStart } from "./chassis-fit.ts";

const host = (name: string) => ({ name, vcpus: 8, memoryMiB: 4_096 });
const POOL = {
  registered: true,
  chassisType: "xcpng",
  capacity: { vcpus: 16, memoryMiB: 8_192 },
  overheadPermille: 0,
  maxVms: 10,
  labels: {},
  hosts: [host("a"), host("b")],
} as unknown as Chassis;

function machine(config: object): Vm {
  // Only the fields that decide where a VM fits.
  const needs = { vmType: "xcpng", request: { vcpus: 2, memoryMiB: 1_024 }, placement: {} };
  return { ...needs, config } as unknown as Vm;
}

it("a start with more virtual CPUs to grow to than a host has processors can never succeed", () => {
  expect(infeasibleStart(machine({ maxVcpus: 8 }), [["p", POOL]])).toBeUndefined();
  expect(infeasibleStart(machine({ maxVcpus: 9 }), [["p", POOL]])).toMatchObject([
    {
      chassisId: "p",
      code: "CAPACITY_EXCEEDED",
      message: "no host of the pool has 9 processors: the largest has 8",
    },
  ]);
});
