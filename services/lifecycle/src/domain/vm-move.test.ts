/**
 * A move, step by step: what may be asked, what follows, and that every step before the last can be taken back.
 */
import { type LedgerEntry, refuse, type Vm, type VmEvent } from "@bioxen/contracts";
import type { CommandOf } from "@bioxen/kernel";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import type { GuestReport } from "./guest-report.ts";
import { CREATED, entryOf, FENCE, LOGS, PAUSED, PLACED, REQUEST, START, VM_ID } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import type { VmRejection } from "./vm-decision.ts";
import { MOVE_DEADLINE_MS, type MoveCommand, type MoveWorld, moveDueAtMs } from "./vm-move.ts";

/**
 * The reservation at the new place: after the request to move, which has sequence 50, and before `migrating`, which
 * has 60.
 */
const TARGET_FENCE = 55;
const THERE = { chassisId: "there", fence: TARGET_FENCE, allocation: REQUEST };
const ASKED = vmEvent("migration-requested", { toChassisId: null, code: "COMMAND", reason: "x" });
const DRAINED = vmEvent("migration-requested", { toChassisId: null, code: "DRAIN", reason: "x" });
const MIGRATING = vmEvent("migrating", THERE);
const MOVED = vmEvent("moved", THERE);

const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
const running = (...events: readonly VmEvent[]) => vm(...LOGS.running, ...events);
type Given = ReturnType<typeof vm>;

const target = (more: Partial<LedgerEntry> = {}) => entryOf(TARGET_FENCE, more);
const place = { chassisId: "there", entry: target() };
const world: MoveWorld = {
  place: undefined,
  targetEntry: undefined,
  isTargetLost: false,
  knownSeq: 100,
  nowMs: 6_000,
};

const migrate = (of: Given, toChassisId: string | null = null, obstacle?: VmRejection) =>
  of.when({
    type: "migrate",
    vmId: VM_ID,
    request: { toChassisId, code: "COMMAND", reason: "x" },
    obstacle,
  });
type Move = CommandOf<MoveCommand, "move">;
const move = (of: Given, fromChassisId = "here", more: Pick<Move, "obstacle" | "isAllowed"> = {}) =>
  of.when({
    type: "move",
    vmId: VM_ID,
    fromChassisId,
    request: { toChassisId: null, code: "DRAIN", reason: "x" },
    ...more,
  });
const advance = (of: Given, more: Partial<MoveWorld> = {}) =>
  of.when({ type: "advance-move", ...world, ...more });
const report = (
  of: Given,
  fields: Partial<GuestReport>,
  targetEntry: LedgerEntry | undefined = undefined,
  nowMs = 0,
) =>
  of.when({
    type: "report",
    report: { fence: FENCE, observed: "handed-over", reason: "x", code: "GUEST_ERROR", ...fields },
    entry: targetEntry,
    targetEntry,
    nowMs,
  });
const cancelledWith = (code: string) =>
  expect.objectContaining({
    type: "bioxen.vm.migration-cancelled.v1",
    data: expect.objectContaining({ code }),
  });

describe("the request to move", () => {
  it("is accepted for a VM with a guest, once", () => {
    migrate(running()).thenAppended("bioxen.vm.migration-requested.v1");
    migrate(running(PAUSED)).thenAppended("bioxen.vm.migration-requested.v1");
    migrate(running(), "here").thenUnchanged();
    migrate(running(ASKED)).thenUnchanged();
    migrate(running(ASKED), "there").thenRejected("CONFLICT", {
      message: "a already moves to any chassis with room: cancel that migration first",
    });
    migrate(running(ASKED, MIGRATING), "there").thenUnchanged();
    migrate(vm(CREATED)).thenRejected("INVALID_TRANSITION");
    migrate(running(ASKED, MIGRATING, MOVED)).thenRejected("INVALID_TRANSITION");
    migrate(vm()).thenRejected("VM_NOT_FOUND");
  });

  it("is rejected for a VM of a pool, and where the chassis rule it out", () => {
    const inPool = vmEvent("created", { ...CREATED.data, vmType: "xcpng" });
    migrate(vm(inPool, ...LOGS.running.slice(1))).thenRejected("UNSUPPORTED");
    const obstacle = refuse("INFEASIBLE", "fits no other chassis");
    migrate(running(), null, obstacle).thenRejected("INFEASIBLE");
  });

  it("for the sake of a chassis changes nothing for a VM that has left it, or already moves", () => {
    move(running()).thenAppended("bioxen.vm.migration-requested.v1");
    move(running(), "there").thenUnchanged();
    move(running(ASKED)).thenUnchanged();
    move(vm(CREATED, START, PLACED)).thenUnchanged();
  });

  it("is refused off a chassis that no drain has cordoned, and to a chassis that could never hold the VM", () => {
    move(running(), "here", { isAllowed: false }).thenRejected("CONFLICT");
    move(running(), "there", { isAllowed: false }).thenUnchanged();
    const obstacle = refuse("CHASSIS_NOT_FOUND", "there is no chassis x");
    move(running(), "here", { obstacle }).thenRejected("CHASSIS_NOT_FOUND");
    move(running(ASKED), "here", { obstacle }).thenUnchanged();
  });
});

describe("the steps of a move", () => {
  it("lead from a place over the hand-over to a start under the new fence", () => {
    const asked = running(ASKED);
    advance(asked).thenUnchanged();
    const migrating = advance(asked, { place }).thenAppended(MIGRATING);
    expect(migrating.state).toMatchObject({
      state: "running",
      chassisId: "here",
      fence: FENCE,
      lastFence: TARGET_FENCE,
    });
    advance(migrating, { targetEntry: target() }).thenUnchanged();
    const moved = report(migrating, {}, target(), 49_999).thenAppended("bioxen.vm.moved.v1");
    expect(moved.state).toMatchObject({ state: "starting", ...THERE, migration: null });
    report(moved, { fence: TARGET_FENCE, observed: "started" }, target()).thenAppended(
      "bioxen.vm.started.v1",
    );
  });

  it.each([
    ["that has expired", { expiresAtMs: 5_999 }],
    ["for another request", { amounts: { ribosomes: 1 } }],
    ["of another incarnation", { incarnation: 2 }],
    ["where the VM already lives", { fence: FENCE }],
    ["that was made before the request to move", { fence: 45 }],
  ])("take no reservation %s", (_which, more) => {
    advance(running(ASKED), { place: { chassisId: "there", entry: target(more) } }).thenUnchanged();
  });

  it("keep the guest's newest state, if it was taken since the last restore", () => {
    const state = (simMinutes: number) => ({
      checkpointId: `c${simMinutes}`,
      simMinutes,
      bytes: 1,
      sha256: "0".repeat(64),
    });
    const checkpointed = vmEvent("checkpointed", { fence: FENCE, ...state(5) });
    const moving = running(checkpointed, ASKED, MIGRATING);
    const kept = (simMinutes: number, restores = 0) => {
      const { decision } = report(moving, { checkpoint: state(simMinutes), restores }, target());
      if (!decision.ok || decision.event?.type !== "bioxen.vm.moved.v1") throw new Error("expected a move");
      return decision.event.data.checkpoint?.checkpointId ?? null;
    };
    expect(kept(6)).toBe("c6");
    expect(kept(5)).toBe("c5");
    expect(kept(4), "the recorded checkpoint is newer").toBeNull();
    expect(kept(6, 1), "the VM was restored since").toBeNull();
  });

  it("are cancelled when the target is lost or released, but not when its news is only late", () => {
    const migrating = running(ASKED, MIGRATING);
    advance(migrating, { targetEntry: target(), isTargetLost: true }).thenAppended(
      cancelledWith("TARGET_LOST"),
    );
    const replaced = target({ fence: TARGET_FENCE + 1 });
    advance(migrating, { targetEntry: replaced }).thenAppended(cancelledWith("RESERVATION_ENDED"));
    advance(migrating).thenAppended(cancelledWith("RESERVATION_ENDED"));
    advance(migrating, { knownSeq: TARGET_FENCE - 1 }).thenUnchanged();
    report(migrating, {}, undefined).thenUnchanged();
    report(migrating, {}, target(), 50_000).thenUnchanged();
  });

  it("wait for a place until the deadline of a command, or without limit for a drain", () => {
    const dueAtMs = 5_000 + MOVE_DEADLINE_MS;
    const asked = running(ASKED);
    expect(moveDueAtMs(asked.state)).toBe(dueAtMs);
    advance(asked, { nowMs: dueAtMs - 1 }).thenUnchanged();
    advance(asked, { nowMs: dueAtMs }).thenAppended(cancelledWith("NO_ROOM"));
    const drained = running(DRAINED);
    expect(moveDueAtMs(drained.state)).toBeUndefined();
    advance(drained, { nowMs: 1e12 }).thenUnchanged();
    expect(moveDueAtMs(running(ASKED, MIGRATING).state)).toBeUndefined();
  });

  it("are cancelled when the guest cannot be handed over", () => {
    const failed = { observed: "not-handed-over" } as const;
    report(running(ASKED, MIGRATING), failed).thenAppended(cancelledWith("HAND_OVER_FAILED"));
    report(running(), failed).thenUnchanged();
  });

  it("record once why the move waits", () => {
    const reasons = [{ chassisId: "there", code: "CAPACITY_EXCEEDED", message: "full" }];
    const defer = (of: Given) => of.when({ type: "defer", reasons });
    const deferred = defer(running(ASKED)).thenAppended(vmEvent("deferred", { reasons }));
    expect(deferred.state).toMatchObject({
      state: "running",
      reason: null,
      migration: { refusals: reasons },
    });
    defer(deferred).thenUnchanged();
    defer(running(ASKED, MIGRATING)).thenUnchanged();
    defer(running()).thenUnchanged();
  });
});

describe("an event during a move", () => {
  it.each([
    ["requested", [ASKED]],
    ["under way", [ASKED, MIGRATING]],
  ])("ends a move that is %s", (_which, move) => {
    const moving = running(...move);
    const anyEvent = expect.objectContaining({ type: expect.any(String) });
    const after = (command: Parameters<Given["when"]>[0]) =>
      moving.when(command).thenAppended(anyEvent).state as Vm;
    expect(after({ type: "stop", vmId: VM_ID, nowMs: 0 })).toMatchObject({
      state: "stopping",
      chassisId: "here",
      migration: null,
    });
    expect(after({ type: "lose-chassis" })).toMatchObject({ state: "pending", migration: null });
    expect(after({ type: "follow-ledger", entry: null })).toMatchObject({
      state: "pending",
      migration: null,
    });
    expect(report(moving, { observed: "failed" }).thenAppended(anyEvent).state).toMatchObject({
      state: "error",
      migration: null,
    });
    expect(after({ type: "cancel-migration", vmId: VM_ID })).toMatchObject({
      reason: null,
      state: "running",
      chassisId: "here",
      fence: FENCE,
      migration: null,
    });
  });

  it("leaves a VM that does not move unchanged by a cancellation", () => {
    running().when({ type: "cancel-migration", vmId: VM_ID }).thenUnchanged();
    vm().when({ type: "cancel-migration", vmId: VM_ID }).thenRejected("VM_NOT_FOUND");
  });

  it("leaves a paused VM paused at its new place", () => {
    expect(running(PAUSED, ASKED, MIGRATING, MOVED).state).toMatchObject({
      state: "starting",
      startsPaused: true,
    });
  });

  it("keeps a pause that comes before the place", () => {
    expect(running(ASKED, PAUSED, MIGRATING).state).toMatchObject({
      state: "paused",
      migration: { target: THERE },
    });
  });
});
