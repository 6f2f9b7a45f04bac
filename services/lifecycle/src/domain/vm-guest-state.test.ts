/**
 * Which stored guest states a VM refers to: what is recorded, what comes too late, and what ends it.
 */
import { blobsOf, MAX_SNAPSHOTS, type Vm, type VmEvent } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import type { GuestReport } from "./guest-report.ts";
import { checkpointed, checkpointRecord, FENCE, LOGS, PAUSED, STOP, STOPPED, VM_ID } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import type { TakenCheckpoint } from "./vm-guest-state.ts";

const snapshotted = (snapshotId: string, simMinutes: number) =>
  vmEvent("snapshotted", { snapshotId, fence: FENCE, ...checkpointRecord(simMinutes) });
const restored = (snapshotId: string, simMinutes: number) =>
  vmEvent("restored", { snapshotId, ...checkpointRecord(simMinutes) });

const { pending: PENDING, starting: STARTING, running: RUNNING } = LOGS;
const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
type Given = ReturnType<typeof vm>;

const report = (of: Given, fields: Partial<GuestReport>) =>
  of.when({
    type: "report",
    report: { fence: FENCE, observed: "checkpointed", reason: "r", code: "MISSING", ...fields },
    entry: undefined,
    targetEntry: undefined,
    nowMs: 0,
  });
const checkpoint = (simMinutes: number, more: Partial<GuestReport> = {}): Partial<GuestReport> => ({
  checkpoint: checkpointRecord(simMinutes),
  restores: 0,
  ...more,
});

describe("a checkpoint", () => {
  it.each([
    ["of a running guest", RUNNING, checkpoint(5)],
    ["of a paused guest", [...RUNNING, PAUSED], checkpoint(5)],
    ["at a later minute than the recorded one", [...RUNNING, checkpointed(5)], checkpoint(6)],
  ])("%s is recorded", (_which, events, fields) => {
    report(vm(...events), fields).thenAppended("bioxen.vm.checkpointed.v1");
  });

  it.each([
    ["that is reported twice", [...RUNNING, checkpointed(5)], checkpoint(5)],
    ["that a later one overtook", [...RUNNING, checkpointed(5)], checkpoint(4)],
    ["of another reservation", RUNNING, checkpoint(5, { fence: FENCE - 1 })],
    ["from before the last restore", RUNNING, checkpoint(5, { restores: 1 })],
    ["of a guest that is starting", STARTING, checkpoint(5)],
    ["of a guest that is stopping", [...RUNNING, STOP], checkpoint(5)],
    ["without its record", RUNNING, {}],
  ])("%s is not recorded", (_which, events, fields) => {
    report(vm(...events), fields).thenUnchanged();
  });

  it("survives a lost place, and ends with a stop, a failure or a destroy", () => {
    const displaced = vmEvent(
      "displaced",
      { fence: FENCE, chassisId: "here", code: "RESERVATION_ENDED", reason: "x" },
      2,
    );
    const checkpointAfter = (...events: readonly VmEvent[]) =>
      (vm(...RUNNING, checkpointed(5), ...events).state as Vm).checkpoint?.checkpointId ?? null;
    expect(checkpointAfter()).toBe("c5");
    expect(checkpointAfter(displaced)).toBe("c5");
    expect(checkpointAfter(STOP, STOPPED)).toBeNull();
    expect(checkpointAfter(vmEvent("failed", { reason: "x", code: "X" }))).toBeNull();
    expect(checkpointAfter(displaced, vmEvent("destroyed", { reason: "x" }))).toBeNull();
  });

  it("that is lost is removed once, with the reason", () => {
    const loss = { observed: "checkpoint-lost", reason: "it is gone", checkpointId: "c5" } as const;
    const kept = vm(...RUNNING, checkpointed(5));
    const lost = report(kept, loss).thenAppended(
      vmEvent("checkpoint-lost", {
        fence: FENCE,
        checkpointId: "c5",
        code: "MISSING",
        reason: "it is gone",
      }),
    );
    expect(lost.state).toMatchObject({ checkpoint: null, reason: "it is gone", state: "running" });
    report(lost, loss).thenUnchanged();
    report(kept, { ...loss, checkpointId: "c4" }).thenUnchanged();
    report(kept, { ...loss, fence: FENCE - 1 }).thenUnchanged();
    report(kept.and(STOP), loss).thenUnchanged();
  });

  it("is not removed by a malformed report of a loss", () => {
    const kept = vm(...RUNNING, checkpointed(5));
    report(kept, { observed: "checkpoint-lost" }).thenUnchanged();
    report(kept, { observed: "checkpoint-lost", checkpointId: "c5", code: "BORED" }).thenUnchanged();
  });
});

describe("a snapshot", () => {
  const taken: TakenCheckpoint = { fence: FENCE, restores: 0, checkpoint: checkpointRecord(5) };
  const snapshot = (events: readonly VmEvent[], of: TakenCheckpoint | undefined = taken) =>
    vm(...events).when({ type: "snapshot", vmId: VM_ID, snapshotId: "s", taken: of });
  const full = Array.from({ length: MAX_SNAPSHOTS }, (_, i) => snapshotted(`s${i}`, i));

  it.each([
    ["of a running guest is recorded", RUNNING, taken, "+ snapshotted"],
    ["of a paused guest is recorded", [...RUNNING, PAUSED], taken, "+ snapshotted"],
    ["under a name that is taken changes nothing", [...RUNNING, snapshotted("s", 4)], taken, "="],
    ["of another reservation is rejected", RUNNING, { ...taken, fence: FENCE - 1 }, "! CONFLICT"],
    ["from before the last restore is rejected", RUNNING, { ...taken, restores: 1 }, "! CONFLICT"],
    ["without a stored state is rejected", RUNNING, undefined, "! CONFLICT"],
    ["of a VM that is starting is rejected", STARTING, taken, "! INVALID_TRANSITION"],
    ["of a stopped VM is rejected", LOGS.stopped, taken, "! INVALID_TRANSITION"],
    ["above the limit is rejected", [...RUNNING, ...full], taken, "! TOO_LARGE"],
    ["of a VM that does not exist is rejected", [], taken, "! VM_NOT_FOUND"],
  ])("%s", (_which, events, of, expected) => {
    const command = { type: "snapshot", vmId: VM_ID, snapshotId: "s", taken: of } as const;
    expect(vm(...events).when(command).outcome).toBe(expected);
  });

  it("names the limit and the remedy when there are too many", () => {
    snapshot([...RUNNING, ...full]).thenRejected("TOO_LARGE", {
      message: "a has reached its limit of 16 snapshots: delete one first",
      details: { limit: MAX_SNAPSHOTS },
    });
  });

  it.each([
    ["of a running VM is recorded", [...RUNNING, snapshotted("s", 4)], "+ restored"],
    ["of a stopped VM is recorded", [...RUNNING, snapshotted("s", 4), STOP, STOPPED], "+ restored"],
    ["is recorded each time", [...RUNNING, snapshotted("s", 4), restored("s", 4)], "+ restored"],
    ["from an unknown snapshot is rejected", RUNNING, "! SNAPSHOT_NOT_FOUND"],
    ["of a pending VM is rejected", PENDING, "! INVALID_TRANSITION"],
    ["of a VM that is starting is rejected", STARTING, "! INVALID_TRANSITION"],
  ])("a restore %s", (_which, events, expected) => {
    const command = { type: "restore", vmId: VM_ID, snapshotId: "s" } as const;
    expect(vm(...events).when(command).outcome).toBe(expected);
  });

  it("becomes the checkpoint of the next guest when it is restored; earlier checkpoints no longer count", () => {
    const back = vm(...RUNNING, snapshotted("s", 4), checkpointed(9), restored("s", 4));
    expect(back.state).toMatchObject({
      restores: 1,
      checkpoint: { checkpointId: "c4", simMinutes: 4 },
    });
    report(back, checkpoint(10)).thenUnchanged();
    report(back, checkpoint(5, { restores: 1 })).thenAppended("bioxen.vm.checkpointed.v1");
  });

  it("survives a stop, is stored once, and is deleted once; a destroyed VM has none", () => {
    const blobsAfter = (...events: readonly VmEvent[]) =>
      blobsOf(VM_ID, vm(...RUNNING, snapshotted("s", 4), ...events).state as Vm);
    expect(blobsAfter(snapshotted("t", 5), restored("s", 4), STOP, STOPPED)).toEqual(["a.c4", "a.c5"]);
    expect(blobsAfter(restored("s", 4)), "checkpoint and snapshot share one blob").toEqual(["a.c4"]);

    const remove = { type: "delete-snapshot", vmId: VM_ID, snapshotId: "s" } as const;
    const removed = vm(...RUNNING, snapshotted("s", 4), snapshotted("t", 5), STOP, STOPPED)
      .when(remove)
      .thenAppended(vmEvent("snapshot-deleted", { snapshotId: "s" }));
    expect(blobsOf(VM_ID, removed.state as Vm)).toEqual(["a.c5"]);
    removed.when(remove).thenRejected("SNAPSHOT_NOT_FOUND");

    const deleted = vmEvent("snapshot-deleted", { snapshotId: "s" });
    expect(blobsAfter(restored("s", 4), deleted), "the guest still resumes from it").toEqual(["a.c4"]);
    expect(blobsAfter(STOP, STOPPED, vmEvent("destroyed", { reason: "x" }))).toEqual([]);
  });
});
