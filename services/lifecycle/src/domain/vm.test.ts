/**
 * The contract's table of states (§3), cell by cell, and what the world may do.
 */
import { type LedgerEntry, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import type { EventPosition } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import {
  decideCreate,
  decideDefer,
  decideDestroy,
  decidePause,
  decideResize,
  decideResume,
  decideStart,
  decideStop,
  type VmDecision,
} from "./vm.ts";
import {
  decideChassisLost,
  decideEndings,
  decideFollowLedger,
  decideGiveUp,
  decidePlace,
  decideReport,
  decideRestart,
  placeEndsAtMs,
  restartDueAtMs,
} from "./vm-world.ts";

const NEW_VM = {
  biologicalType: "syn3a",
  vmType: "basic",
  request: { ribosomes: 503 },
  priority: 1,
  seed: 7,
  program: null,
  environment: {},
  placement: {},
  restartPolicy: { mode: "on-failure", maxAttempts: 2, backoffMs: 1_000 },
  labels: {},
  config: {},
  parent: null,
} as const;

const event = (type: string, data: object = {}) => ({ type: `bioxen.vm.${type}.v1`, data }) as VmEvent;
const CREATED = event("created", { incarnation: 1, ...NEW_VM });
const START = event("start-requested", { automatic: false });
const PLACED = event("placed", { chassisId: "c", fence: 9, allocation: { ribosomes: 503 } });
const STARTED = event("started", { fence: 9 });
const STOP = event("stop-requested", { destroy: false });
const STOPPED = event("stopped", { reason: "x" });
const FAILED = event("failed", { reason: "x", code: "GUEST_ERROR" });
const DESTROYED = event("destroyed", { reason: "x" });

const at = (i: number): EventPosition => ({
  eventId: `e${i}`,
  correlationId: "c",
  seq: i,
  version: i,
  atMs: 1_000 * i,
});
const given = (...events: VmEvent[]): VmState =>
  events.reduce<VmState>((state, one, i) => vmFold.evolve(state, one, at(i + 1)), vmFold.initial);

/** A story that ends in each state. */
const STORIES: Readonly<Record<Vm["state"], readonly VmEvent[]>> = {
  created: [CREATED],
  pending: [CREATED, START],
  starting: [CREATED, START, PLACED],
  running: [CREATED, START, PLACED, STARTED],
  paused: [CREATED, START, PLACED, STARTED, event("paused")],
  stopping: [CREATED, START, PLACED, STARTED, STOP],
  stopped: [CREATED, START, PLACED, STARTED, STOP, STOPPED],
  error: [CREATED, START, PLACED, FAILED],
  destroyed: [CREATED, DESTROYED],
};

/** `+` an event, `=` there already, `!` refused. */
function outcome(decision: VmDecision): string {
  if (!decision.ok) return `! ${decision.rejection.code}`;
  return decision.event === null ? "=" : `+ ${decision.event.type.replace(/bioxen\.vm\.|\.v\d+$/g, "")}`;
}

const feasible = () => undefined;
const commands: Readonly<Record<string, (state: VmState) => VmDecision>> = {
  create: (state) => decideCreate("a", state, NEW_VM),
  start: (state) => decideStart("a", state, feasible),
  pause: (state) => decidePause("a", state),
  resume: (state) => decideResume("a", state),
  stop: (state) => decideStop("a", state),
  destroy: (state) => decideDestroy("a", state),
};

const no = "! INVALID_TRANSITION";
const taken = "! VM_ALREADY_EXISTS";
/** In the order of the commands above. */
const TABLE: Readonly<Record<Vm["state"], readonly string[]>> = {
  created: [taken, "+ start-requested", no, no, no, "+ destroyed"],
  pending: [taken, "=", no, no, "+ stop-requested", "+ destroyed"],
  starting: [taken, "=", no, no, "+ stop-requested", "+ stop-requested"],
  running: [taken, "=", "+ paused", "=", "+ stop-requested", "+ stop-requested"],
  paused: [taken, no, "=", "+ resumed", "+ stop-requested", "+ stop-requested"],
  stopping: [taken, no, no, no, "=", "+ stop-requested"],
  stopped: [taken, "+ start-requested", no, no, "=", "+ destroyed"],
  error: [taken, "+ start-requested", no, no, no, "+ destroyed"],
  destroyed: ["+ created", no, no, no, no, "="],
};

describe("commands", () => {
  it.each(Object.entries(TABLE))("of a VM that is %s", (state, expected) => {
    const vm = given(...STORIES[state as Vm["state"]]);
    expect(vm).toMatchObject({ state });
    expect(Object.values(commands).map((decide) => outcome(decide(vm)))).toEqual(expected);
  });

  it("of a VM that never was", () => {
    const outcomes = Object.values(commands).map((decide) => outcome(decide(vmFold.initial)));
    expect(outcomes).toEqual(["+ created", ...Array<string>(5).fill("! VM_NOT_FOUND")]);
  });

  it("decided twice, the second changes nothing", () => {
    for (const [state, story] of Object.entries(STORIES)) {
      for (const [verb, decide] of Object.entries(commands)) {
        const first = decide(given(...story));
        if (!first.ok || first.event === null || verb === "create") continue;
        const second = decide(given(...story, first.event as VmEvent));
        expect(outcome(second), `${verb} twice from ${state}`).toBe("=");
      }
    }
  });

  it("a start that nothing could ever hold is infeasible, with every reason", () => {
    const reasons = [{ chassisId: "c", code: "CAPACITY_EXCEEDED", message: "too small" }];
    expect(decideStart("a", given(CREATED), () => reasons)).toMatchObject({
      ok: false,
      rejection: { code: "INFEASIBLE", details: { reasons } },
    });
  });

  it("a new life counts on, and neither it nor a new wait takes an older reservation", () => {
    const created = event("created", { incarnation: 2, ...NEW_VM });
    const again = given(...STORIES.stopped, DESTROYED, created, START, STOP, STOPPED, START);
    expect(again).toMatchObject({ incarnation: 2, lastFence: 9, state: "pending" });
    const placeOn = (entry: LedgerEntry, nowMs = 49_999) =>
      outcome(decidePlace(again, { chassisId: "c", entry }, nowMs));
    expect(placeOn(entryOf(9, 2))).toBe("=");
    expect(placeOn(entryOf(10, 2)), "of the wait before").toBe("=");
    expect(placeOn(entryOf(13, 1))).toBe("=");
    expect(placeOn(entryOf(13, 2))).toBe("+ placed");
    // From its time on the allocator may be giving it back.
    expect(placeOn(entryOf(13, 2), 50_000)).toBe("=");
  });

  it("reasons are recorded when they change in kind, not with every number", () => {
    const reason = (free: number, chassisId = "c") => [
      {
        chassisId,
        code: "CAPACITY_EXCEEDED",
        message: `${free} free`,
        resource: "ribosomes",
        requested: 9,
        free,
      },
    ];
    const waiting = given(CREATED, START, event("deferred", { reasons: reason(3) }));
    expect(waiting).toMatchObject({ state: "pending", reason: "c: CAPACITY_EXCEEDED: 3 free" });
    expect(outcome(decideDefer(waiting, reason(2)))).toBe("=");
    expect(outcome(decideDefer(waiting, reason(2, "d")))).toBe("+ deferred");
    expect(outcome(decideDefer(given(CREATED), reason(2)))).toBe("=");
  });
});

function entryOf(fence: number, incarnation = 1, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    vmId: "a",
    incarnation,
    fence,
    reservedBy: "e",
    amounts: { ribosomes: 503 },
    amountsSeq: fence,
    phase: "reserved",
    expiresAtMs: 50_000,
    ...more,
  };
}

describe("the world", () => {
  const running = given(...STORIES.running);

  it("a place that ended displaces, one that changed is adopted", () => {
    expect(outcome(decideFollowLedger(running, entryOf(9)))).toBe("=");
    expect(outcome(decideFollowLedger(running, null))).toBe("+ displaced");
    expect(outcome(decideFollowLedger(running, entryOf(8)))).toBe("+ displaced");
    expect(outcome(decideFollowLedger(running, entryOf(9, 1, { amounts: { ribosomes: 7 } })))).toBe(
      "+ resized",
    );
    expect(outcome(decideFollowLedger(given(...STORIES.stopping), null))).toBe("=");
  });

  it("a VM whose guest was not running in time gives its place up, at that instant and no other state does", () => {
    const starting = given(...STORIES.starting);
    expect(placeEndsAtMs(starting, entryOf(9))).toBe(50_000);
    expect(outcome(decideGiveUp(starting, entryOf(9), 49_999))).toBe("=");
    expect(decideGiveUp(starting, entryOf(9), 50_000)).toMatchObject({
      event: {
        type: "bioxen.vm.displaced.v2",
        data: { fence: 9, chassisId: "c", code: "RESERVATION_EXPIRED" },
      },
    });
    for (const [state, entry] of [
      [starting, null],
      [starting, entryOf(8)],
      [starting, entryOf(9, 1, { phase: "committed", expiresAtMs: null })],
      [running, entryOf(9)],
      [given(...STORIES.stopping), entryOf(9)],
    ] as const) {
      expect(placeEndsAtMs(state, entry)).toBeUndefined();
      expect(outcome(decideGiveUp(state, entry, 1e12))).toBe("=");
    }
  });

  it("a displacement says where it was and what took the place away", () => {
    const cause = (state: VmState, entry: LedgerEntry | null) => {
      const decision = decideFollowLedger(state, entry);
      return decision.ok && decision.event?.type === "bioxen.vm.displaced.v2" ? decision.event.data : null;
    };
    expect(cause(given(...STORIES.starting), null)).toEqual({
      fence: 9,
      chassisId: "c",
      code: "RESERVATION_EXPIRED",
      reason: "its guest was not running in time and the reservation expired",
    });
    expect(cause(running, null)).toMatchObject({ code: "RESERVATION_ENDED" });
    expect(cause(running, entryOf(8))).toMatchObject({ code: "RESERVATION_REPLACED" });
  });

  it("a lost chassis displaces whoever has a place there, and ends a stop; a pool's guests run on", () => {
    const outcomes = Object.entries(STORIES).map(([state, story]) => [
      state,
      outcome(decideChassisLost(given(...story))),
    ]);
    expect(outcomes.filter(([, what]) => what !== "=")).toEqual([
      ["starting", "+ displaced"],
      ["running", "+ displaced"],
      ["paused", "+ displaced"],
      ["stopping", "+ stopped"],
    ]);
    expect(decideChassisLost(running)).toMatchObject({
      event: { data: { code: "CHASSIS_LOST", chassisId: "c", fence: 9 } },
    });
    const inPool = event("created", { incarnation: 1, ...NEW_VM, vmType: "xcpng" });
    expect(outcome(decideChassisLost(given(inPool, START, PLACED, STARTED)))).toBe("=");
  });

  it("a VM that was paused when it lost its place is paused again in the next", () => {
    const displaced = {
      type: "bioxen.vm.displaced.v2",
      data: { fence: 9, chassisId: "c", code: "CHASSIS_LOST", reason: "x" },
    } as VmEvent;
    const elsewhere = event("placed", { chassisId: "d", fence: 12, allocation: { ribosomes: 503 } });
    const started = (story: readonly VmEvent[]) => {
      const report = { fence: 12, observed: "started", reason: "", code: "INTERNAL" } as const;
      const vm = given(...story, displaced, elsewhere);
      const decision = decideReport(vm, report, entryOf(12), 0);
      if (!decision.ok || decision.event === null) throw new Error("it starts");
      return given(...story, displaced, elsewhere, decision.event as VmEvent);
    };
    expect(started(STORIES.paused)).toMatchObject({ state: "paused", startsPaused: false });
    expect(started(STORIES.running)).toMatchObject({ state: "running" });
  });

  it("a resize needs the place the ledger changed", () => {
    const granted = { fence: 9, amounts: { ribosomes: 7 }, amountsSeq: 20 };
    expect(outcome(decideResize("a", running, { ribosomes: 7 }, granted))).toBe("+ resized");
    expect(outcome(decideResize("a", running, { ribosomes: 7 }, { ...granted, fence: 8 }))).toBe(
      "! CONFLICT",
    );
    expect(outcome(decideResize("a", running, { ribosomes: 7 }, null))).toBe("! CONFLICT");
    expect(outcome(decideResize("a", given(CREATED), { ribosomes: 503 }, null))).toBe("=");
    expect(outcome(decideResize("a", given(...STORIES.pending), { ribosomes: 1 }, null))).toBe(no);
  });

  it("a start is confirmed only while its reservation is good", () => {
    const starting = given(...STORIES.starting);
    const report = { fence: 9, observed: "started", reason: "", code: "INTERNAL" } as const;
    expect(outcome(decideReport(starting, report, entryOf(9), 49_999))).toBe("+ started");
    expect(outcome(decideReport(starting, report, entryOf(9), 50_000))).toBe("=");
    expect(outcome(decideReport(starting, report, undefined, 0))).toBe("=");
    expect(outcome(decideReport(starting, { ...report, fence: 8 }, entryOf(9), 0))).toBe("=");
    expect(outcome(decideReport(running, report, entryOf(9), 0))).toBe("=");
  });

  it("what a guest did counts on its own reservation only", () => {
    const report = (observed: "restarted" | "stopped" | "failed", fence = 9) =>
      ({ fence, observed, reason: "r", code: "GUEST_ERROR" }) as const;
    expect(outcome(decideReport(running, report("failed"), undefined, 0))).toBe("+ failed");
    expect(outcome(decideReport(running, report("failed", 8), undefined, 0))).toBe("=");
    expect(outcome(decideReport(running, report("stopped"), undefined, 0))).toBe("=");
    expect(outcome(decideReport(running, report("restarted"), undefined, 0))).toBe("+ guest-restarted");
    expect(outcome(decideReport(given(...STORIES.stopping), report("failed"), undefined, 0))).toBe(
      "+ stopped",
    );
    expect(outcome(decideReport(given(...STORIES.stopping), report("stopped"), undefined, 0))).toBe(
      "+ stopped",
    );
  });

  it("a stop and a destroy come to their end", () => {
    expect(outcome(decideEndings(given(CREATED, START, STOP)))).toBe("+ stopped");
    expect(outcome(decideEndings(given(...STORIES.stopping)))).toBe("=");
    const destroying = given(...STORIES.running, event("stop-requested", { destroy: true }), STOPPED);
    expect(outcome(decideEndings(destroying))).toBe("+ destroyed");
  });

  it("its restart policy starts it again, later each time, and not for ever", () => {
    const failed = given(...STORIES.error);
    expect(restartDueAtMs(failed)).toBe(4_000 + 1_000);
    expect(outcome(decideRestart(failed, 4_999))).toBe("=");
    expect(outcome(decideRestart(failed, 5_000))).toBe("+ start-requested");
    const again = event("start-requested", { automatic: true });
    const twice = given(...STORIES.error, again, PLACED, FAILED);
    expect(restartDueAtMs(twice)).toBe(7_000 + 2_000);
    expect(
      restartDueAtMs(given(...STORIES.error, again, PLACED, FAILED, again, PLACED, FAILED)),
    ).toBeUndefined();
    expect(restartDueAtMs(given(...STORIES.error, START, PLACED, FAILED))).toBe(7_000 + 1_000);
  });
});

describe("the fold", () => {
  it("is the same whole or in two parts, survives JSON, and changes nothing it was given", () => {
    for (const story of Object.values(STORIES)) {
      const whole = given(...story);
      expect(JSON.parse(JSON.stringify(whole))).toEqual(whole);
      for (let cut = 0; cut <= story.length; cut += 1) {
        let state = Object.freeze(given(...story.slice(0, cut)));
        for (const [i, one] of story.slice(cut).entries()) {
          state = Object.freeze(vmFold.evolve(state, Object.freeze(one), at(cut + i + 1)));
        }
        expect(state).toEqual(whole);
      }
    }
  });
});
