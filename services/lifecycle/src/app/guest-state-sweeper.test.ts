/**
 * The store and the references of VMs agree in the end, after any crash, and no blob in use is deleted.
 */
import { type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { eventually, FakeClock, MemoryBlobs } from "@bioxen/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { GuestStateSweeper } from "./guest-state-sweeper.ts";

const SWEEP = { everyMs: 1_000, orphanAgeMs: 5_000 };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe("the sweeper", () => {
  let clock: FakeClock;
  let blobs: MemoryBlobs;
  let vms: Map<string, VmState>;
  let acts: boolean;
  let sweeper: GuestStateSweeper;
  let version = 0;

  const happen = (vmId: string, type: string, data: object) => {
    version += 1;
    const event = { type: `bioxen.vm.${type}.v1`, data } as VmEvent;
    const at = { eventId: `e${version}`, correlationId: "c", seq: version, version, atMs: clock.nowMs() };
    vms.set(vmId, vmFold.evolve(vms.get(vmId) ?? vmFold.initial, event, at));
    sweeper.observe({ envelope: { subject: `vm/${vmId}` } } as StoredEvent);
  };
  const keep = async (vmId: string, checkpointId: string, simMinutes: number) => {
    await blobs.put(`${vmId}.${checkpointId}`, new Uint8Array([1]));
    happen(vmId, "checkpointed", { fence: 9, checkpointId, simMinutes, bytes: 1, sha256: "x" });
  };
  const stored = (names: readonly string[]) =>
    eventually(`${names.join(" and ") || "nothing"} is stored`, async () => {
      await clock.advance(0);
      return JSON.stringify((await blobs.list()).toSorted()) === JSON.stringify(names) ? true : undefined;
    });
  const make = () =>
    new GuestStateSweeper(
      { blobs, clock, timers: clock, logger: silent },
      SWEEP,
      (vmId) => vms.get(vmId) ?? vmFold.initial,
      () => acts,
    );

  beforeEach(() => {
    clock = new FakeClock();
    blobs = new MemoryBlobs(clock);
    vms = new Map();
    acts = true;
    sweeper = make();
    happen("a", "created", { incarnation: 1, request: {} });
  });

  it("ends although the store does not answer a comparison", async () => {
    let asked = 0;
    blobs.list = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    sweeper.compareAll();
    await eventually("the store was asked", async () => {
      await clock.advance(0);
      return asked > 0 || undefined;
    });
    await sweeper.end();
  });

  it("deletes superseded states, and all states of a stopped VM", async () => {
    await keep("a", "c1", 1);
    await keep("a", "c2", 2);
    await stored(["a.c2"]);
    happen("a", "stopped", { reason: "x" });
    await stored([]);
  });

  it("deletes an orphan once it is old", async () => {
    await keep("a", "c1", 1);
    await blobs.put("a.orphan", new Uint8Array([1]));
    await blobs.put("gone.orphan", new Uint8Array([1]));
    sweeper.compareAll();
    await clock.advance(4_000);
    expect(await blobs.list()).toHaveLength(3);
    await clock.advance(3_000);
    await stored(["a.c1"]);
  });

  it("deletes nothing as a follower, and compares the whole store when it becomes the lease holder", async () => {
    acts = false;
    await keep("a", "c1", 1);
    await keep("a", "c2", 2);
    await clock.advance(10_000);
    expect(await blobs.list()).toHaveLength(2);
    acts = true;
    sweeper = make();
    sweeper.compareAll();
    await stored(["a.c2"]);
  });
});
