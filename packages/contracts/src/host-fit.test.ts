/**
 * Whether a host of a pool can run a machine, and which host a started machine takes its memory from.
 */
import { expect, it } from "vitest";
import { hostMisfit, hostNeeds, withoutRoomFor } from "./host-fit.ts";

const host = (name: string, vcpus: number, memoryMiB: number) => ({ name, vcpus, memoryMiB });
const HOSTS = [host("a", 4, 3_000), host("b", 16, 2_000)];
const vm = (vcpus: number, memoryMiB: number) => ({ vcpus, memoryMiB });

it("a machine fits when one host has both the processors and the memory", () => {
  expect(hostMisfit(HOSTS, vm(4, 3_000))).toBeUndefined();
  expect(hostMisfit(HOSTS, vm(8, 2_000))).toBeUndefined();
  expect(hostMisfit(undefined, vm(999, 999_999)), "a chassis without hosts").toBeUndefined();
});

it("a machine needs a host with as many processors as it may get virtual CPUs", () => {
  const needs = hostNeeds(vm(2, 1_000), { maxVcpus: 8 });
  expect(needs).toEqual(vm(8, 1_000));
  expect(hostMisfit([host("a", 4, 3_000)], needs)?.message).toBe(
    "no host of the pool has 8 processors: the largest has 4",
  );
  expect(hostMisfit(HOSTS, needs)).toBeUndefined();
  expect(hostNeeds(vm(4, 1), { maxVcpus: 2 }), "a request that was resized above it").toEqual(vm(4, 1));
  expect(hostNeeds(vm(4, 1))).toEqual(vm(4, 1));
});

it("the reason names what is short, and the host that has most of it", () => {
  expect(hostMisfit(HOSTS, vm(2, 4_000))).toEqual({
    code: "CAPACITY_EXCEEDED",
    message: "no host of the pool has 4000 MiB free: a has most, 3000 MiB",
    resource: "memoryMiB",
    requested: 4_000,
    free: 3_000,
  });
  expect(hostMisfit(HOSTS, vm(8, 2_500))?.message).toContain("b has most, 2000 MiB");
  expect(hostMisfit(HOSTS, vm(32, 1))).toMatchObject({ resource: "vcpus", free: 16 });
  expect(hostMisfit([], vm(1, 1))?.message).toBe("no host of the pool is enabled and alive");
});

it("a started machine takes memory from the host that has most of it, and no processors", () => {
  expect(withoutRoomFor(HOSTS, vm(2, 2_000))).toEqual([host("a", 4, 1_000), host("b", 16, 2_000)]);
  expect(withoutRoomFor(HOSTS, vm(8, 500))).toEqual([host("a", 4, 3_000), host("b", 16, 1_500)]);
  expect(withoutRoomFor(HOSTS, vm(99, 1)), "no host can run it").toEqual(HOSTS);
});
