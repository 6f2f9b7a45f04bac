/**
 * Preemption event by event: which VM gives way, what it keeps, and how it gets it back.
 */
import { type LedgerEntry, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { createdVm, given, stateAfter, type VmCreated, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { entryOf, FENCE, START, STARTED, STOP, PAUSED as USER_PAUSE, VM_ID } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import type { PreemptionOrder } from "./vm-preemption.ts";

const REQUEST = { dnaKilobases: 5, ribosomes: 100 };
const created = (more: Partial<VmCreated["data"]> = {}) =>
  createdVm({
    request: REQUEST,
    guarantee: { dnaKilobases: 5, ribosomes: 40 },
    priority: 2,
    ...more,
  });
const RUNS = [START, vmEvent("placed", { chassisId: "here", fence: FENCE, allocation: REQUEST }), STARTED];
const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);
const running = (...more: readonly VmEvent[]) => vm(created(), ...RUNS, ...more);
type Given = ReturnType<typeof vm>;
const waiting = (priority: number): VmState => stateAfter(vmFold, [created({ priority }), START]);

const BENEFICIARY = { by: "urgent", byPriority: 4, reason: "ribosomes" };
const ORDER: PreemptionOrder = { fence: FENCE, mode: "starve", ...BENEFICIARY };
const STARVED = vmEvent("preempted", {
  mode: "starve",
  fence: FENCE,
  ...BENEFICIARY,
  allocation: { dnaKilobases: 5, ribosomes: 40 },
});
const HELD = vmEvent("preempted", {
  mode: "pause",
  fence: FENCE,
  ...BENEFICIARY,
  allocation: { dnaKilobases: 5, ribosomes: 0 },
});
const EVICTED = vmEvent(
  "displaced",
  { fence: FENCE, chassisId: "here", code: "PREEMPTED", ...BENEFICIARY },
  2,
);
/** The event of the preemption is the fifth. */
const PREEMPTED_SEQ = 50;
const entry = (amounts: LedgerEntry["amounts"], amountsSeq: number) =>
  entryOf(FENCE, { amounts, amountsSeq, phase: "committed", expiresAtMs: null });

const preempt = (of: Given, order: Partial<PreemptionOrder> = {}, preemptor: VmState = waiting(4)) =>
  of.when({ type: "preempt", vmId: VM_ID, order: { ...ORDER, ...order }, preemptor });
const reinstate = (of: Given, { seq = PREEMPTED_SEQ, isResume = false, granted = entry(REQUEST, 99) } = {}) =>
  of.when({ type: "reinstate", vmId: VM_ID, preemptedSeq: seq, granted, isResume });
const reinstated = (state: "running" | "paused") =>
  vmEvent("reinstated", { fence: FENCE, allocation: REQUEST, state });
const follow = (of: Given, now: LedgerEntry) => of.when({ type: "follow-ledger", entry: now });

describe("a preemption", () => {
  it("takes what its mode takes, and names the beneficiary and the reason", () => {
    preempt(running()).thenAppended(STARVED);
    preempt(running(), { mode: "pause" }).thenAppended(HELD);
    preempt(running(), { mode: "evict" }).thenAppended(EVICTED);
  });

  it("escalates from starving to pausing to evicting, and never goes back", () => {
    preempt(running(STARVED)).thenUnchanged();
    preempt(running(STARVED), { mode: "pause" }).thenAppended(HELD);
    preempt(running(HELD)).thenUnchanged();
    preempt(running(HELD), { mode: "pause" }).thenUnchanged();
    preempt(running(HELD), { mode: "evict" }).thenAppended(EVICTED);
  });

  it("cannot starve a VM whose whole request is guaranteed", () => {
    const guaranteed = vm(created({ guarantee: undefined }), ...RUNS);
    preempt(guaranteed).thenUnchanged();
    preempt(guaranteed, { mode: "pause" }).thenAppended(HELD);
  });

  it("never serves an equal or lower priority", () => {
    preempt(running(), { byPriority: 2 }, waiting(2)).thenRejected("CONFLICT", {
      message: "a has priority 2; a VM of priority 2 cannot preempt it",
    });
    preempt(running(), { byPriority: 1 }, waiting(1)).thenRejected("CONFLICT");
  });

  it("changes nothing when the victim has another place, or the preemptor no longer waits", () => {
    const preemptorRuns = vm(created({ priority: 4 }), ...RUNS).state;
    preempt(running(), { fence: FENCE - 1 }).thenUnchanged();
    preempt(vm(created({ priority: 1 }), START)).thenUnchanged();
    preempt(vm(created(), ...RUNS.slice(0, 2))).thenUnchanged();
    preempt(running(), {}, preemptorRuns).thenUnchanged();
    preempt(running(), {}, vmFold.initial).thenUnchanged();
    preempt(running(), {}, waiting(5)).thenUnchanged();
  });

  it("can only evict a VM that is not a cell", () => {
    const inPool = vm(created({ vmType: "xcpng", guarantee: undefined }), ...RUNS);
    preempt(inPool).thenUnchanged();
    preempt(inPool, { mode: "pause" }).thenUnchanged();
    preempt(inPool, { mode: "evict" }).thenAppended(EVICTED);
  });
});

describe("a preempted VM", () => {
  it("runs on when starved, is paused when held, waits when evicted, and keeps its request", () => {
    expect(running(STARVED).state).toMatchObject({
      state: "running",
      allocation: { ribosomes: 40 },
      request: REQUEST,
    });
    expect(running(HELD).state).toMatchObject({
      state: "paused",
      fence: FENCE,
      allocation: { ribosomes: 0 },
    });
    expect(running(EVICTED).state).toMatchObject({
      state: "pending",
      fence: null,
      allocation: null,
      request: REQUEST,
    });
    for (const preempted of [running(STARVED), running(HELD), running(EVICTED)]) {
      expect(preempted.state).toMatchObject({
        preemption: { ...BENEFICIARY, seq: PREEMPTED_SEQ, active: true },
      });
    }
  });

  it("has no active preemption once it has a place again, or stops", () => {
    const placed = vmEvent("placed", { chassisId: "d", fence: 65, allocation: REQUEST });
    for (const ended of [running(EVICTED, placed), running(STARVED, STOP)]) {
      expect(ended.state).toMatchObject({ preemption: { by: "urgent", active: false } });
    }
    running(HELD).when({ type: "stop", vmId: VM_ID, nowMs: 0 }).thenAppended(STOP);
  });

  it("is placed again like any other VM, and its guest's reports still count", () => {
    const fresh = entryOf(65, { amounts: REQUEST, expiresAtMs: 9e9 });
    running(EVICTED)
      .when({ type: "place", place: { chassisId: "d", entry: fresh }, nowMs: 0 })
      .thenAppended("bioxen.vm.placed.v1");
    running(HELD)
      .when({
        type: "report",
        report: { fence: FENCE, observed: "failed", reason: "x", code: "GUEST_ERROR" },
        entry: undefined,
        targetEntry: undefined,
        nowMs: 0,
      })
      .thenAppended("bioxen.vm.failed.v1");
  });
});

describe("the ledger of a preempted VM", () => {
  it("has to shrink after the VM: amounts from before the preemption are not granted", () => {
    const before = entry(REQUEST, FENCE);
    follow(running(STARVED), before).thenUnchanged();
    running(STARVED)
      .when({ type: "resize", vmId: VM_ID, request: REQUEST, granted: before })
      .thenRejected("CONFLICT", { retryable: true });
    reinstate(running(STARVED), { granted: before }).thenRejected("CONFLICT", { retryable: true });
  });

  it("may grow again after it has shrunk, and the VM adopts what it grants", () => {
    const shrunk = entry({ dnaKilobases: 5, ribosomes: 40 }, 55);
    follow(running(STARVED), shrunk).thenUnchanged();
    follow(running(STARVED), entry(REQUEST, 60)).thenAppended(reinstated("running"));
    const part = { dnaKilobases: 5, ribosomes: 70 };
    follow(running(STARVED), entry(part, 60)).thenAppended(
      vmEvent("resized", { request: REQUEST, allocation: part }),
    );
  });
});

describe("a reinstatement", () => {
  it("gives the whole request back, and resumes a VM that preemption paused", () => {
    reinstate(running(STARVED)).thenAppended(reinstated("running"));
    const back = reinstate(running(HELD)).thenAppended(reinstated("running"));
    expect(back.state).toMatchObject({
      state: "running",
      reason: null,
      preemption: { active: false },
    });
  });

  it("leaves a VM paused that its user paused, before or after the preemption", () => {
    const paused = reinstated("paused");
    reinstate(running(HELD, USER_PAUSE)).thenAppended(paused);
    reinstate(running(USER_PAUSE, HELD), { seq: 60 }).thenAppended(paused);
    reinstate(running(STARVED, USER_PAUSE)).thenAppended(paused);
    reinstate(running(USER_PAUSE, STARVED, HELD), { seq: 70 }).thenAppended(paused);
  });

  it("by a resume of its user lets the VM run even if the user paused it before", () => {
    reinstate(running(HELD, USER_PAUSE), { isResume: true }).thenAppended(reinstated("running"));
  });

  it("changes nothing when it names another preemption, or the VM has no active one with a place", () => {
    reinstate(running(STARVED), { seq: 49 }).thenUnchanged();
    reinstate(running()).thenUnchanged();
    reinstate(running(EVICTED)).thenUnchanged();
  });
});

describe("the user of a preempted VM", () => {
  const pause = (of: Given) => of.when({ type: "pause", vmId: VM_ID });
  const resume = (of: Given) => of.when({ type: "resume", vmId: VM_ID });

  it("can pause a held VM once, and resume it only after its reinstatement", () => {
    const paused = pause(running(HELD)).thenAppended(USER_PAUSE);
    pause(paused).thenUnchanged();
    resume(running(HELD)).thenRejected("CONFLICT", { retryable: true });
    pause(running(STARVED)).thenAppended(USER_PAUSE);
    resume(running(STARVED, USER_PAUSE)).thenAppended(vmEvent("resumed"));
  });

  it("ends the preemption by a resize that is granted in full", () => {
    const request = { dnaKilobases: 5, ribosomes: 60 };
    const resize = { type: "resize", vmId: VM_ID, request, granted: entry(request, 70) } as const;
    const resized = running(HELD)
      .when(resize)
      .thenAppended(vmEvent("resized", { request, allocation: request }));
    expect(resized.state).toMatchObject({ state: "running", request, preemption: { active: false } });
    const stillPaused = running(HELD, USER_PAUSE).when(resize).thenAppended("bioxen.vm.resized.v1");
    expect((stillPaused.state as Vm).state).toBe("paused");
  });

  it("gets CONFLICT for a resize when a preemption came after the ledger's grant", () => {
    const request = { dnaKilobases: 5, ribosomes: 60 };
    running(HELD)
      .when({ type: "resize", vmId: VM_ID, request, granted: entry({ ribosomes: 61 }, 70) })
      .thenRejected("CONFLICT", { retryable: true });
  });
});
