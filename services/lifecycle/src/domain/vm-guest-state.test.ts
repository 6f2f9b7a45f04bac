/**
 * Which states of guests a VM refers to: what is recorded, what comes too late, what ends it.
 */
import { blobsOf, MAX_SNAPSHOTS, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import {
  decideCheckpointed,
  decideCheckpointLost,
  decideDeleteSnapshot,
  decideRestore,
  decideSnapshot,
} from "./vm-guest-state.ts";
import { decideReport } from "./vm-world.ts";

const event = (type: string, data: object = {}, version = 1) =>
  ({ type: `bioxen.vm.${type}.v${version}`, data }) as VmEvent;
const STARTING = [
  event("created", { incarnation: 1, request: { ribosomes: 1 } }),
  event("start-requested", { automatic: false }),
  event("placed", { chassisId: "c", fence: 9, allocation: { ribosomes: 1 } }),
];
const RUNS = [...STARTING, event("started", { fence: 9 })];
const record = (simMinutes: number) => ({
  checkpointId: `c${simMinutes}`,
  simMinutes,
  bytes: 5,
  sha256: "a".repeat(64),
});
const kept = (simMinutes: number) => event("checkpointed", { fence: 9, ...record(simMinutes) });
const given = (...events: VmEvent[]): VmState =>
  events.reduce<VmState>(
    (state, one, i) =>
      vmFold.evolve(state, one, {
        eventId: `e${i}`,
        correlationId: "c",
        seq: i + 1,
        version: i + 1,
        atMs: 1_000 * i,
      }),
    vmFold.initial,
  );
const checkpointOf = (state: VmState) => (state as Vm).checkpoint?.checkpointId ?? null;
const taken = (simMinutes: number, more: object = {}) => ({
  fence: 9,
  restores: 0,
  checkpoint: record(simMinutes),
  ...more,
});
const typeOf = (decision: ReturnType<typeof decideCheckpointed>) =>
  decision.ok ? (decision.event?.type ?? "nothing") : decision.rejection.code;

describe("a checkpoint", () => {
  it.each([
    ["of a guest that runs", RUNS, taken(5), true],
    ["of one that is paused", [...RUNS, event("paused")], taken(5), true],
    ["further on than the one before", [...RUNS, kept(5)], taken(6), true],
    ["that is not further on: a report that comes twice", [...RUNS, kept(5)], taken(5), false],
    ["that was overtaken", [...RUNS, kept(5)], taken(4), false],
    ["of another reservation", RUNS, taken(5, { fence: 8 }), false],
    ["from before the VM was set back", RUNS, taken(5, { restores: 1 }), false],
    ["of a guest that is starting", STARTING, taken(5), false],
    ["of one that is to stop", [...RUNS, event("stop-requested", { destroy: false })], taken(5), false],
  ])("%s", (_what, story, report, isRecorded) => {
    const decision = decideCheckpointed(given(...story), report);
    expect(typeOf(decision)).toBe(isRecorded ? "bioxen.vm.checkpointed.v1" : "nothing");
  });

  it("is where the VM goes on after it lost its place, and not after a stop, a failure or its end", () => {
    const displaced = event(
      "displaced",
      { fence: 9, chassisId: "c", code: "RESERVATION_ENDED", reason: "x" },
      2,
    );
    const stop = [event("stop-requested", { destroy: false }), event("stopped", { reason: "x" })];
    expect(checkpointOf(given(...RUNS, kept(5)))).toBe("c5");
    expect(checkpointOf(given(...RUNS, kept(5), displaced))).toBe("c5");
    expect(checkpointOf(given(...RUNS, kept(5), ...stop))).toBeNull();
    expect(checkpointOf(given(...RUNS, kept(5), event("failed", { reason: "x", code: "X" })))).toBeNull();
    const destroyed = given(...RUNS, kept(5), displaced, event("destroyed", { reason: "x" }));
    expect(checkpointOf(destroyed)).toBeNull();
  });

  it("that is lost is forgotten once, with the reason", () => {
    const lost = { fence: 9, checkpointId: "c5", code: "MISSING", reason: "it is gone" } as const;
    const state = given(
      ...STARTING.slice(0, 2),
      ...STARTING.slice(2),
      event("started", { fence: 9 }),
      kept(5),
    );
    expect(typeOf(decideCheckpointLost(state, lost))).toBe("bioxen.vm.checkpoint-lost.v1");
    const after = given(...RUNS, kept(5), event("checkpoint-lost", lost));
    expect(after).toMatchObject({ checkpoint: null, reason: "it is gone", state: "running" });
    expect(typeOf(decideCheckpointLost(after, lost))).toBe("nothing");
    expect(typeOf(decideCheckpointLost(state, { ...lost, checkpointId: "c4" }))).toBe("nothing");
    expect(typeOf(decideCheckpointLost(state, { ...lost, fence: 8 }))).toBe("nothing");
    const stopping = given(...RUNS, kept(5), event("stop-requested", { destroy: false }));
    expect(typeOf(decideCheckpointLost(stopping, lost))).toBe("nothing");
  });

  it("is what an agent's report says, or nothing when that is not whole", () => {
    const say = (report: object) =>
      typeOf(
        decideReport(
          given(...RUNS, kept(5)),
          { fence: 9, reason: "r", code: "MISSING", observed: "checkpointed", ...report },
          undefined,
          0,
        ),
      );
    expect(say({ checkpoint: record(6), restores: 0 })).toBe("bioxen.vm.checkpointed.v1");
    expect(say({})).toBe("nothing");
    expect(say({ observed: "checkpoint-lost", checkpointId: "c5" })).toBe("bioxen.vm.checkpoint-lost.v1");
    expect(say({ observed: "checkpoint-lost" })).toBe("nothing");
    expect(say({ observed: "checkpoint-lost", checkpointId: "c5", code: "BORED" })).toBe("nothing");
  });
});

describe("a snapshot", () => {
  const snapped = (snapshotId: string, simMinutes: number) =>
    event("snapshotted", { snapshotId, fence: 9, ...record(simMinutes) });
  const restored = (snapshotId: string, simMinutes: number) =>
    event("restored", { snapshotId, ...record(simMinutes) });
  const STOPPED = [event("stop-requested", { destroy: false }), event("stopped", { reason: "x" })];
  const full = Array.from({ length: MAX_SNAPSHOTS }, (_, i) => snapped(`s${i}`, i));

  it.each([
    ["is taken of a guest that runs", RUNS, taken(5), "bioxen.vm.snapshotted.v1"],
    ["or is paused", [...RUNS, event("paused")], taken(5), "bioxen.vm.snapshotted.v1"],
    ["once under one name", [...RUNS, snapped("s", 4)], taken(5), "nothing"],
    ["of no other place", RUNS, taken(5, { fence: 8 }), "CONFLICT"],
    ["nor of a guest from before the VM was set back", RUNS, taken(5, { restores: 1 }), "CONFLICT"],
    ["of nothing that is starting", STARTING, taken(5), "INVALID_TRANSITION"],
    ["or stopped", [...RUNS, ...STOPPED], taken(5), "INVALID_TRANSITION"],
    ["never more than the limit", [...RUNS, ...full], taken(50), "TOO_LARGE"],
    ["of no VM that never was", [], taken(5), "VM_NOT_FOUND"],
  ])("%s", (_what, story, report, expected) => {
    expect(typeOf(decideSnapshot("a", given(...story), "s", report))).toBe(expected);
  });

  it.each([
    ["while it runs", [...RUNS, snapped("s", 4)], "bioxen.vm.restored.v1"],
    ["while it is stopped", [...RUNS, snapped("s", 4), ...STOPPED], "bioxen.vm.restored.v1"],
    ["again and again", [...RUNS, snapped("s", 4), restored("s", 4)], "bioxen.vm.restored.v1"],
    ["not to what it does not have", RUNS, "SNAPSHOT_NOT_FOUND"],
    ["not while it waits", STARTING.slice(0, 2), "INVALID_TRANSITION"],
    ["not while it starts", STARTING, "INVALID_TRANSITION"],
  ])("is gone back to %s", (_what, story, expected) => {
    expect(typeOf(decideRestore("a", given(...story), "s"))).toBe(expected);
  });

  it("that is gone back to is where the next guest begins, and what ran before is of another course", () => {
    const state = given(...RUNS, snapped("s", 4), kept(9), restored("s", 4));
    expect(state).toMatchObject({ restores: 1, checkpoint: { checkpointId: "c4", simMinutes: 4 } });
    expect(typeOf(decideCheckpointed(state, taken(10)))).toBe("nothing");
    expect(typeOf(decideCheckpointed(state, taken(5, { restores: 1 })))).toBe("bioxen.vm.checkpointed.v1");
  });

  it("is kept over a stop, referred to once, and deleted once; a VM that is destroyed keeps none", () => {
    const stopped = given(...RUNS, snapped("s", 4), snapped("t", 5), restored("s", 4), ...STOPPED);
    expect(blobsOf("a", stopped as Vm)).toEqual(["a.c4", "a.c5"]);
    const back = given(...RUNS, snapped("s", 4), restored("s", 4));
    expect(blobsOf("a", back as Vm), "checkpoint and snapshot are one blob").toEqual(["a.c4"]);
    expect(typeOf(decideDeleteSnapshot("a", stopped, "s"))).toBe("bioxen.vm.snapshot-deleted.v1");
    const deleted = event("snapshot-deleted", { snapshotId: "s" });
    const without = given(...RUNS, snapped("s", 4), snapped("t", 5), deleted);
    expect(blobsOf("a", without as Vm)).toEqual(["a.c5"]);
    expect(typeOf(decideDeleteSnapshot("a", without, "s"))).toBe("SNAPSHOT_NOT_FOUND");
    const stillGoingOnFromIt = given(...RUNS, snapped("s", 4), restored("s", 4), deleted);
    expect(blobsOf("a", stillGoingOnFromIt as Vm)).toEqual(["a.c4"]);
    const gone = given(...RUNS, snapped("s", 4), ...STOPPED, event("destroyed", { reason: "x" }));
    expect(blobsOf("a", gone as Vm)).toEqual([]);
  });
});
