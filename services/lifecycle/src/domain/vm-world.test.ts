/**
 * What ledgers, chassis, agents and time do to a VM without a command of a user.
 */
import type { LedgerEntry, Vm, VmEvent } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import type { GuestReport } from "./guest-report.ts";
import {
  AUTOMATIC_START,
  CREATED,
  entryOf,
  FAILED,
  FENCE,
  LOGS,
  PLACED,
  START,
  STOP,
  STOP_TO_DESTROY,
  STOPPED,
} from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import { placeEndsAtMs, restartDueAtMs } from "./vm-world.ts";

const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
const running = vm(...LOGS.running);
const starting = vm(...LOGS.starting);
const stopping = vm(...LOGS.stopping);
const follow = (of: typeof running, entry: LedgerEntry | null) => of.when({ type: "follow-ledger", entry });
const report = (of: typeof running, fields: Partial<GuestReport>, entry?: LedgerEntry, nowMs = 0) =>
  of.when({
    type: "report",
    report: { fence: FENCE, observed: "started", reason: "r", code: "GUEST_ERROR", ...fields },
    entry,
    targetEntry: undefined,
    nowMs,
  });

describe("the ledger of a VM's chassis", () => {
  it("displaces the VM when its entry is gone, and passes changed amounts on", () => {
    follow(running, entryOf(FENCE)).thenUnchanged();
    follow(running, null).thenAppended("bioxen.vm.displaced.v2");
    follow(running, entryOf(FENCE - 1)).thenAppended("bioxen.vm.displaced.v2");
    follow(running, entryOf(FENCE, { amounts: { ribosomes: 7 } })).thenAppended("bioxen.vm.resized.v1");
    follow(stopping, null).thenUnchanged();
  });

  it("gives the reason of a displacement: expired, ended or replaced", () => {
    const cause = (of: typeof running, entry: LedgerEntry | null) => {
      const { decision } = follow(of, entry);
      return decision.ok && decision.event?.type === "bioxen.vm.displaced.v2" ? decision.event.data : null;
    };
    expect(cause(starting, null)).toEqual({
      fence: FENCE,
      chassisId: "here",
      code: "RESERVATION_EXPIRED",
      reason: "its guest was not running in time and the reservation expired",
    });
    expect(cause(running, null)).toMatchObject({ code: "RESERVATION_ENDED" });
    expect(cause(running, entryOf(FENCE - 1))).toMatchObject({ code: "RESERVATION_REPLACED" });
  });
});

describe("a start that takes too long", () => {
  it("gives the place up at the instant at which the reservation expires", () => {
    const entry = entryOf(FENCE);
    expect(placeEndsAtMs(starting.state, entry)).toBe(50_000);
    starting.when({ type: "give-up-place", entry, nowMs: 49_999 }).thenUnchanged();
    starting.when({ type: "give-up-place", entry, nowMs: 50_000 }).thenAppended({
      type: "bioxen.vm.displaced.v2",
      data: {
        fence: FENCE,
        chassisId: "here",
        code: "RESERVATION_EXPIRED",
        reason: "its guest was not running in time and the reservation expired",
      },
    });
  });

  it.each([
    ["without an entry", starting, null],
    ["with an entry of another reservation", starting, entryOf(FENCE - 1)],
    [
      "with an entry that does not expire",
      starting,
      entryOf(FENCE, { phase: "committed", expiresAtMs: null }),
    ],
    ["that runs", running, entryOf(FENCE)],
    ["that is stopping", stopping, entryOf(FENCE)],
  ] as const)("never ends a VM %s", (_which, of, entry) => {
    expect(placeEndsAtMs(of.state, entry)).toBeUndefined();
    of.when({ type: "give-up-place", entry, nowMs: 1e12 }).thenUnchanged();
  });
});

describe("a lost chassis", () => {
  it("displaces every VM with a place on it, and completes a stop", () => {
    const outcomes = Object.entries(LOGS).map(([state, events]) => [
      state,
      vm(...events).when({ type: "lose-chassis" }).outcome,
    ]);
    expect(outcomes.filter(([, outcome]) => outcome !== "=")).toEqual([
      ["starting", "+ displaced"],
      ["running", "+ displaced"],
      ["paused", "+ displaced"],
      ["stopping", "+ stopped"],
    ]);
    running.when({ type: "lose-chassis" }).thenAppended({
      type: "bioxen.vm.displaced.v2",
      data: { code: "CHASSIS_LOST", chassisId: "here", fence: FENCE, reason: "its chassis is lost" },
    });
  });

  it("leaves the VMs of a pool in every state, because their guests go on; one that is stopping waits", () => {
    const inPool = vmEvent("created", { ...CREATED.data, vmType: "xcpng" });
    for (const [state, events] of Object.entries(LOGS)) {
      const ofPool = events.map((event) => (event.type === CREATED.type ? inPool : event));
      expect([state, vm(...ofPool).when({ type: "lose-chassis" }).outcome]).toEqual([state, "="]);
    }
  });

  it("leaves a paused VM paused in its next place", () => {
    const displaced = vmEvent(
      "displaced",
      { fence: FENCE, chassisId: "here", code: "CHASSIS_LOST", reason: "x" },
      2,
    );
    const elsewhere = vmEvent("placed", { chassisId: "d", fence: 75, allocation: { ribosomes: 503 } });
    const startedAgain = (events: readonly VmEvent[]) =>
      report(vm(...events, displaced, elsewhere), { fence: 75 }, entryOf(75)).thenAppended(
        expect.objectContaining({ type: "bioxen.vm.started.v1" }),
      ).state;
    expect(startedAgain(LOGS.paused)).toMatchObject({ state: "paused", startsPaused: false });
    expect(startedAgain(LOGS.running)).toMatchObject({ state: "running" });
  });
});

describe("the report of a guest", () => {
  it("confirms a start only while the reservation has not expired", () => {
    report(starting, {}, entryOf(FENCE), 49_999).thenAppended("bioxen.vm.started.v1");
    report(starting, {}, entryOf(FENCE), 50_000).thenUnchanged();
    report(starting, {}, undefined).thenUnchanged();
    report(starting, { fence: FENCE - 1 }, entryOf(FENCE)).thenUnchanged();
    report(running, {}, entryOf(FENCE)).thenUnchanged();
  });

  it("counts only under the VM's present reservation", () => {
    report(running, { observed: "failed" }).thenAppended("bioxen.vm.failed.v1");
    report(running, { observed: "failed", fence: FENCE - 1 }).thenUnchanged();
    report(running, { observed: "stopped" }).thenUnchanged();
    report(running, { observed: "restarted" }).thenAppended("bioxen.vm.guest-restarted.v1");
    report(stopping, { observed: "failed" }).thenAppended("bioxen.vm.stopped.v1");
    report(stopping, { observed: "stopped" }).thenAppended("bioxen.vm.stopped.v1");
  });
});

describe("a stop or a destroy", () => {
  it("ends when it has no guest to wait for", () => {
    vm(CREATED, START, STOP).when({ type: "settle", hasRemover: true }).thenAppended("bioxen.vm.stopped.v1");
    stopping.when({ type: "settle", hasRemover: true }).thenUnchanged();
    running
      .and(STOP_TO_DESTROY, STOPPED)
      .when({ type: "settle", hasRemover: true })
      .thenAppended("bioxen.vm.destroyed.v1");
  });
});

describe("the restart policy", () => {
  const restart = (of: typeof running, nowMs: number) => of.when({ type: "restart", nowMs });
  const failed = vm(...LOGS.error);
  const dueAtMs = (of: typeof running) => restartDueAtMs(of.state as Vm);

  it("starts a failed VM after its back-off, which doubles with each attempt", () => {
    expect(dueAtMs(failed)).toBe(4_000 + 1_000);
    restart(failed, 4_999).thenUnchanged();
    restart(failed, 5_000).thenAppended(AUTOMATIC_START);
    expect(dueAtMs(failed.and(AUTOMATIC_START, PLACED, FAILED))).toBe(7_000 + 2_000);
  });

  it("gives up after its last attempt, and counts again after a start by command", () => {
    const twice = failed.and(AUTOMATIC_START, PLACED, FAILED, AUTOMATIC_START, PLACED, FAILED);
    expect(dueAtMs(twice)).toBeUndefined();
    expect(dueAtMs(failed.and(START, PLACED, FAILED))).toBe(7_000 + 1_000);
  });
});
