/**
 * When snapshots that stay with their guests are removed.
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
    // `KeptSnapshots` uses only `get`.
  } as unknown as ReadModel<VmState>;
  const driver = {
    snapshots: {
      list: () => here,
      drop: async (_vmId: string, name: string) => {
        if (isBroken) throw new Error("not now");
        here = here.filter((one) => one.name !== name);
      },
    },
    // `KeptSnapshots` uses only `snapshots`.
  } as unknown as VmDriver;
  const kept = new KeptSnapshots({ clock: { nowMs: () => nowMs }, logger: { warn() {} } } as never, vms);
  return {
    step: (...now: string[]) => {
      refers = now;
      return kept.removeUnreferenced([driver], "a");
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

describe("a snapshot that stays with its guest", () => {
  it("is kept while its VM refers to it, and removed as soon as the VM does not", async () => {
    const { step, left, later } = rig("s1", "s2");
    expect(await step("s1", "s2")).toBeUndefined();
    later(2 * ORPHAN_AGE_MS);
    expect(await step("s2")).toBeUndefined();
    expect(left()).toEqual(["s2"]);
  });

  it("is kept without any reference until it is old", async () => {
    const { step, left, later } = rig("s1");
    expect(await step()).toEqual({ dueAtMs: BEGIN_MS + ORPHAN_AGE_MS });
    later(ORPHAN_AGE_MS - 1);
    await step();
    expect(left()).toEqual(["s1"]);
    later(ORPHAN_AGE_MS);
    expect(await step()).toBeUndefined();
    expect(left()).toEqual([]);
  });

  it("is removed later if a removal fails", async () => {
    const { step, left, breaks } = rig("s1");
    await step("s1");
    breaks(true);
    expect(await step()).toEqual({ dueAtMs: BEGIN_MS + 30_000 });
    breaks(false);
    await step();
    expect(left()).toEqual([]);
  });
});
