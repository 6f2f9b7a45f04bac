/**
 * Which snapshots in a pool are removed, and when.
 */
import type { VmState } from "@bioxen/contracts";
import type { ReadModel } from "@bioxen/kernel";
import type { KeptSnapshot, VmDriver } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { KeptSnapshots, ORPHAN_AGE_MS } from "./kept-snapshots.ts";

const BEGIN_MS = 1_000_000;

function rig(...names: string[]) {
  let nowMs = BEGIN_MS;
  let here: KeptSnapshot[] = names.map((name) => ({ vmId: "a", name, takenAtMs: BEGIN_MS }));
  let refers: string[] = [];
  let isBroken = false;
  const checkpoint = (checkpointId: string) => ({ checkpointId, simMinutes: 0, bytes: 1, sha256: "" });
  const vms = {
    get: () => ({ exists: true, checkpoint: null, snapshots: refers.map(checkpoint) }),
  } as unknown as ReadModel<VmState>;
  const driver = {
    snapshots: {
      list: () => here,
      drop: async (_vmId: string, name: string) => {
        if (isBroken) throw new Error("not now");
        here = here.filter((one) => one.name !== name);
      },
    },
  } as unknown as VmDriver;
  const kept = new KeptSnapshots({ clock: { nowMs: () => nowMs }, logger: { warn() {} } } as never, vms);
  return {
    look: (...now: string[]) => {
      refers = now;
      return kept.clear([driver], "a");
    },
    later: (ms: number) => {
      nowMs = BEGIN_MS + ms;
    },
    breaks: (broken: boolean) => {
      isBroken = broken;
    },
    left: () => here.map(({ name }) => name),
  };
}

describe("a snapshot that stayed with its guest", () => {
  it("stays while its VM refers to it, and goes at once when it ceases to", async () => {
    const { look, left, later } = rig("s1", "s2");
    expect(await look("s1", "s2")).toBeUndefined();
    later(2 * ORPHAN_AGE_MS);
    expect(await look("s2")).toBeUndefined();
    expect(left()).toEqual(["s2"]);
  });

  it("that nothing has referred to yet is left alone until it is old", async () => {
    const { look, left, later } = rig("s1");
    expect(await look()).toEqual({ dueAtMs: BEGIN_MS + ORPHAN_AGE_MS });
    later(ORPHAN_AGE_MS - 1);
    await look();
    expect(left()).toEqual(["s1"]);
    later(ORPHAN_AGE_MS);
    expect(await look()).toBeUndefined();
    expect(left()).toEqual([]);
  });

  it("that cannot be removed stands in nobody's way and is tried again", async () => {
    const { look, left, breaks } = rig("s1");
    await look("s1");
    breaks(true);
    expect(await look()).toEqual({ dueAtMs: BEGIN_MS + 30_000 });
    breaks(false);
    await look();
    expect(left()).toEqual([]);
  });
});
