/**
 * A pool is one chassis, but each machine needs one of its hosts: a plan places only machines that fit a host.
 */
import type { Chassis, HostRoom } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planPlacements } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

const VCPUS = 8;
const host = (name: string, memoryMiB: number): HostRoom => ({ name, vcpus: VCPUS, memoryMiB });

function pool(free: readonly HostRoom[], inAll: readonly HostRoom[] = free): ChassisRoom {
  const memoryMiB = inAll.reduce((sum, one) => sum + one.memoryMiB, 0);
  const capacity = { vcpus: VCPUS * inAll.length, memoryMiB };
  const chassis = {
    registered: true,
    chassisType: "xcpng",
    capacity,
    cordoned: false,
    maxVms: 99,
    hosts: inAll,
  };
  const room = { free: capacity, placesLeft: 99 };
  return {
    chassisId: "p",
    chassis: chassis as unknown as Chassis,
    offered: capacity,
    room,
    hosts: free,
  };
}

function machine(vmId: string, memoryMiB: number, more: Partial<WaitingVm> = {}): WaitingVm {
  const needs = { vmType: "xcpng", request: { vcpus: 1, memoryMiB }, placement: {}, labels: {} } as const;
  return { vmId, incarnation: 1, priority: 1, waitingSinceMs: 0, ...needs, ...more };
}

const placedIn = (vms: WaitingVm[], room: ChassisRoom) =>
  planPlacements(vms, [room])
    .placements.map(({ vm }) => vm.vmId)
    .sort();

describe("a machine that fits the sum of a pool", () => {
  it("and no host in all is refused, with the largest host", () => {
    const plan = planPlacements([machine("m", 900)], [pool([host("a", 800), host("b", 800)])]);
    expect(plan.placements).toEqual([]);
    expect(plan.deferrals[0]?.reasons).toMatchObject([
      { chassisId: "p", code: "CAPACITY_EXCEEDED", message: expect.stringContaining("900 MiB in all") },
    ]);
  });

  it("and no host at present is refused, with the host that has most free memory", () => {
    const rooms = pool([host("a", 300), host("b", 500)], [host("a", 1_000), host("b", 1_000)]);
    const plan = planPlacements([machine("m", 600)], [rooms]);
    expect(plan.deferrals[0]?.reasons).toMatchObject([
      { code: "CAPACITY_EXCEEDED", message: "no host of the pool has 600 MiB free: b has most, 500 MiB" },
    ]);
    expect(placedIn([machine("m", 500)], rooms)).toEqual(["m"]);
  });

  it("and no host with as many processors as it may get is refused, unless a smaller one of its kind fits", () => {
    const rooms = pool([host("a", 1_000), host("b", 1_000)]);
    const wide = machine("wide", 100, { config: { maxVcpus: 2 * VCPUS } });
    const plan = planPlacements(
      [wide, machine("small", 100), machine("grows", 100, { config: { maxVcpus: VCPUS } })],
      [rooms],
    );
    expect(plan.placements.map(({ vm }) => vm.vmId).sort()).toEqual(["grows", "small"]);
    expect(plan.deferrals[0]?.reasons).toMatchObject([
      { code: "CAPACITY_EXCEEDED", message: "no host of the pool has 16 processors: the largest has 8" },
    ]);
  });

  it("waits behind a machine of higher priority that takes the only host with room", () => {
    const rooms = pool([host("a", 1_000), host("b", 400)]);
    const vms = [machine("low", 700), machine("high", 700, { priority: 5 })];
    expect(placedIn(vms, rooms)).toEqual(["high"]);
  });
});

it("whatever a plan places fits on the hosts, the largest free one first, as the pool chooses", () => {
  const sizes = fc.array(fc.integer({ min: 50, max: 700 }), { minLength: 1, maxLength: 12 });
  const memories = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(memories, sizes, (free, requests) => {
      const hosts = free.map((memoryMiB, i) => host(`h${i}`, memoryMiB));
      const vms = requests.map((memoryMiB, i) => machine(`m${String(i).padStart(2, "0")}`, memoryMiB));
      const left = hosts.map(({ memoryMiB }) => memoryMiB);
      for (const { vm } of planPlacements(vms, [pool(hosts)]).placements) {
        const largest = left.indexOf(Math.max(...left));
        left[largest] = (left[largest] ?? 0) - (vm.request["memoryMiB"] ?? 0);
      }
      expect(Math.min(...left)).toBeGreaterThanOrEqual(0);
    }),
  );
});
