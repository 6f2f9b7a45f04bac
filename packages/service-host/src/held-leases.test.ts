import { LEASE_LOOK_MS, StoredLeases } from "@bioxen/kernel";
import { FakeClock, idsInOrder, MemoryLeaseStore } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { HeldLeases } from "./held-leases.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const listener = { onHeld: () => undefined, onLost: () => undefined };

it("measures 1 in the process that holds a lease, 0 in one that waits, and nothing after the release", async () => {
  const clock = new FakeClock();
  const store = new MemoryLeaseStore();
  const process = (id: string) => {
    const world = { clock, timers: clock, ids: idsInOrder(id), logger: silent };
    return new HeldLeases(new StoredLeases({ ...world, store, monotonicMs: () => clock.nowMs() }));
  };
  const valuesOf = (leases: HeldLeases) =>
    leases.measure().flatMap(({ metric, values }) => values.map((one) => [metric, one.labels, one.value]));
  const held = (lease: string, value: number) => ["bioxen_lease_held", { lease }, value];
  const [first, second] = [process("a"), process("b")];
  expect(valuesOf(first)).toEqual([]);
  const lease = first.contend("monitor", listener);
  await clock.advance(1);
  second.contend("monitor", listener);
  second.contend("jobs-vm", listener);
  await clock.advance(1);
  expect(valuesOf(first)).toEqual([held("monitor", 1)]);
  expect(valuesOf(second)).toEqual([held("monitor", 0), held("jobs-vm", 1)]);
  await lease.release();
  await clock.advance(2 * LEASE_LOOK_MS);
  expect(valuesOf(first)).toEqual([]);
  expect(valuesOf(second)).toEqual([held("monitor", 1), held("jobs-vm", 1)]);
});
