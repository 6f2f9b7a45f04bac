/**
 * Starts that the host refuses, and starts that take long.
 */
import { placeKeptUntilMs, type VmEvent } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import type { GuestReport } from "./guest-report.ts";
import { entryOf, FENCE, LOGS, START, STARTED } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import { MAX_START_TRIES, ROOM_BACKOFF, START_PATIENCE_MS, TRY_BACKOFF } from "./vm-start.ts";
import { placeEndsAtMs } from "./vm-world.ts";

const NOW_MS = 1_000;
const EXPIRES_AT_MS = 50_000;
const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
const starting = LOGS.starting;

function report(log: readonly VmEvent[], fields: Partial<GuestReport>, nowMs = NOW_MS) {
  const given = { fence: FENCE, observed: "start-refused", reason: "r", code: "UNAVAILABLE", ...fields };
  const entry = entryOf(FENCE, { expiresAtMs: EXPIRES_AT_MS });
  return vm(...log).when({
    type: "report",
    report: given as GuestReport,
    entry,
    targetEntry: undefined,
    nowMs,
  });
}

function refused(tries: number, fields: object = {}): VmEvent {
  const known = { fence: FENCE, chassisId: "here", code: "UNAVAILABLE", reason: "r" };
  return vmEvent("start-refused", { ...known, tries, retryAtMs: 2_000, placeEndsAtMs: 62_000, ...fields });
}

const NO_ROOM = { code: "CAPACITY_EXCEEDED", placeEndsAtMs: null };

describe("a refused start", () => {
  it("is tried again with growing waits, and keeps its place meanwhile", () => {
    for (const tries of [1, 2, 3]) {
      const log = [...starting, ...Array.from({ length: tries - 1 }, (_, i) => refused(i + 1))];
      const retryAtMs = NOW_MS + TRY_BACKOFF.firstMs * 2 ** (tries - 1);
      report(log, { tries, hostCode: "X" }).thenAppended(
        vmEvent("start-refused", {
          fence: FENCE,
          chassisId: "here",
          code: "UNAVAILABLE",
          hostCode: "X",
          reason: "r",
          tries,
          retryAtMs,
          placeEndsAtMs: retryAtMs + START_PATIENCE_MS,
        }),
      );
    }
    const { state } = vm(...starting, refused(1));
    expect(state).toMatchObject({
      state: "starting",
      chassisId: "here",
      reason: "r",
      refusedStart: { tries: 1 },
    });
    expect(placeEndsAtMs(state, entryOf(FENCE, { expiresAtMs: EXPIRES_AT_MS }))).toBe(62_000);
  });

  it("fails the VM after the last try, with the last reason", () => {
    const log = [...starting, ...Array.from({ length: MAX_START_TRIES - 1 }, (_, i) => refused(i + 1))];
    const { decision } = report(log, { tries: MAX_START_TRIES, reason: "INTERNAL_ERROR" });
    expect(decision).toMatchObject({
      event: {
        type: "bioxen.vm.failed.v1",
        data: { reason: expect.stringMatching(/8 tries.*INTERNAL_ERROR/) },
      },
    });
  });

  it("counts a repeated report once, and none of another place or after a stop", () => {
    report([...starting, refused(1)], { tries: 1 }).thenUnchanged();
    report(starting, { tries: 1, fence: FENCE - 1 }).thenUnchanged();
    report(LOGS.stopping, { tries: 1 }).thenUnchanged();
  });

  it("for lack of room costs the place; the VM waits, with the reason, longer after each try", () => {
    const { decision } = report(starting, { code: "CAPACITY_EXCEEDED", tries: 1 });
    expect(decision).toMatchObject({
      event: { data: { placeEndsAtMs: null, retryAtMs: NOW_MS + ROOM_BACKOFF.firstMs } },
    });
    const { state } = vm(...starting, refused(1, NO_ROOM));
    expect(state).toMatchObject({
      state: "pending",
      chassisId: null,
      fence: null,
      allocation: null,
      refusals: [{ chassisId: "here", code: "CAPACITY_EXCEEDED", message: "r" }],
    });
    expect(placeKeptUntilMs(state)).toBe(0);
    report([...starting, refused(MAX_START_TRIES, { code: "UNAVAILABLE" })], {
      code: "CAPACITY_EXCEEDED",
      tries: MAX_START_TRIES + 1,
    }).thenAppended("bioxen.vm.start-refused.v1");
  });

  it("of a paused VM, whose guest was to be restarted, leads to a paused start", () => {
    expect(vm(...LOGS.paused, refused(1, NO_ROOM)).state).toMatchObject({
      state: "pending",
      startsPaused: true,
    });
  });

  it("is forgotten once the guest has started, and by a new start", () => {
    expect(vm(...starting, refused(1), STARTED).state).toMatchObject({
      refusedStart: undefined,
      reason: null,
    });
    const failed = vmEvent("failed", { reason: "x", code: "UNAVAILABLE" });
    expect(vm(...starting, refused(1), failed).state).toMatchObject({ refusedStart: { tries: 1 } });
    expect(vm(...starting, refused(1), failed, START).state).toMatchObject({ refusedStart: undefined });
  });
});

describe("a start that makes progress", () => {
  const progressed = (permille: number, placeEndsAtMs: number) =>
    vmEvent("start-progressed", { fence: FENCE, permille, placeEndsAtMs });

  it("keeps its place beyond the expiry of its reservation, and is confirmed there", () => {
    const nowMs = EXPIRES_AT_MS + 1;
    report(starting, { observed: "start-progressed", permille: 5 }, nowMs).thenAppended(
      progressed(5, nowMs + START_PATIENCE_MS),
    );
    report(starting, { observed: "started" }, nowMs).thenUnchanged();
    const log = [...starting, progressed(5, nowMs + START_PATIENCE_MS)];
    report(log, { observed: "started" }, nowMs).thenAppended("bioxen.vm.started.v1");
    report(log, { observed: "started" }, nowMs + START_PATIENCE_MS).thenUnchanged();
  });

  it("counts only progress that is larger than before", () => {
    const log = [...starting, progressed(5, 60_000)];
    report(log, { observed: "start-progressed", permille: 5 }).thenUnchanged();
    report(log, { observed: "start-progressed", permille: 6 }).thenAppended("bioxen.vm.start-progressed.v1");
    report(LOGS.running, { observed: "start-progressed", permille: 6 }).thenUnchanged();
  });
});
