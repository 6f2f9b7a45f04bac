/**
 * What gives way, to whom, what it keeps, and how it gets it back: event by event.
 */
import { type LedgerEntry, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { createdVm, type VmCreated } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { decidePause, decideResize, decideResume, decideStop, type VmDecision } from "./vm.ts";
import { decidePreempt, decideReinstate, type PreemptionOrder } from "./vm-preemption.ts";
import { decideFollowLedger, decidePlace, decideReport } from "./vm-world.ts";

const event = (type: string, data: object = {}, version = 1) =>
  ({ type: `bioxen.vm.${type}.v${version}`, data }) as VmEvent;
const REQUEST = { dnaKilobases: 5, ribosomes: 100 };
const created = (more: Partial<VmCreated["data"]> = {}) =>
  createdVm({
    request: REQUEST,
    guarantee: { dnaKilobases: 5, ribosomes: 40 },
    priority: 2,
    ...more,
  });
const START = event("start-requested", { automatic: false });
const RUNS = [
  START,
  event("placed", { chassisId: "c", fence: 9, allocation: REQUEST }),
  event("started", { fence: 9 }),
];
/** Events have the sequences 10, 20, 30 …: what a ledger does in between has one of its own. */
const given = (...events: VmEvent[]): VmState =>
  events.reduce<VmState>(
    (state, one, i) =>
      vmFold.evolve(state, one, {
        eventId: `e${i}`,
        correlationId: "c",
        seq: 10 * (i + 1),
        version: i + 1,
        atMs: 1_000 * i,
      }),
    vmFold.initial,
  );
const running = (...more: VmEvent[]) => given(created(), ...RUNS, ...more);
const waiting = (priority: number) => given(created({ priority }), START);

const ORDER: PreemptionOrder = { fence: 9, mode: "starve", by: "urgent", byPriority: 4, reason: "ribosomes" };
const FOR_WHOM = { by: "urgent", byPriority: 4, reason: "ribosomes" };
const STARVED = event("preempted", {
  mode: "starve",
  fence: 9,
  ...FOR_WHOM,
  allocation: { dnaKilobases: 5, ribosomes: 40 },
});
const PAUSED = event("preempted", {
  mode: "pause",
  fence: 9,
  ...FOR_WHOM,
  allocation: { dnaKilobases: 5, ribosomes: 0 },
});
const EVICTED = event("displaced", { fence: 9, chassisId: "c", code: "PREEMPTED", ...FOR_WHOM }, 2);
/** The event of a preemption is the fifth. */
const PREEMPTED_SEQ = 50;
const entry = (amounts: object, amountsSeq: number): LedgerEntry => ({
  vmId: "a",
  incarnation: 1,
  fence: 9,
  reservedBy: "e",
  amounts: amounts as LedgerEntry["amounts"],
  amountsSeq,
  phase: "committed",
  expiresAtMs: null,
});

function eventOf(decision: VmDecision): VmEvent | null | string {
  return decision.ok ? (decision.event as VmEvent | null) : decision.rejection.code;
}
const preempt = (state: VmState, order: Partial<PreemptionOrder> = {}, by: VmState = waiting(4)) =>
  eventOf(decidePreempt(state, { ...ORDER, ...order }, by));

describe("a preemption", () => {
  it("takes what its mode takes, and says for whom and why", () => {
    expect(preempt(running())).toEqual(STARVED);
    expect(preempt(running(), { mode: "pause" })).toEqual(PAUSED);
    expect(preempt(running(), { mode: "evict" })).toEqual(EVICTED);
  });

  it("goes on from starving to pausing to evicting, and never back", () => {
    expect(preempt(running(STARVED))).toBeNull();
    expect(preempt(running(STARVED), { mode: "pause" })).toEqual(PAUSED);
    expect(preempt(running(PAUSED))).toBeNull();
    expect(preempt(running(PAUSED), { mode: "pause" })).toBeNull();
    expect(preempt(running(PAUSED), { mode: "evict" })).toEqual(EVICTED);
  });

  it("starves nobody who has all of its request guaranteed", () => {
    const whole = given(created({ guarantee: undefined }), ...RUNS);
    expect(preempt(whole)).toBeNull();
    expect(preempt(whole, { mode: "pause" })).toEqual(PAUSED);
  });

  it("never serves an equal or lower priority", () => {
    expect(preempt(running(), { byPriority: 2 }, waiting(2))).toBe("CONFLICT");
    expect(preempt(running(), { byPriority: 1 }, waiting(1))).toBe("CONFLICT");
  });

  it("changes nothing when it was planned on another place, or for one that does not wait", () => {
    expect(preempt(running(), { fence: 8 })).toBeNull();
    expect(preempt(waiting(1))).toBeNull();
    expect(preempt(given(created(), ...RUNS.slice(0, 2))), "its guest is on its way").toBeNull();
    expect(preempt(running(), {}, given(created({ priority: 4 }), ...RUNS))).toBeNull();
    expect(preempt(running(), {}, vmFold.initial)).toBeNull();
    expect(preempt(running(), {}, waiting(5)), "its priority is another than the plan's").toBeNull();
  });

  it("only evicts what is no cell", () => {
    const pool = given(created({ vmType: "xcpng", guarantee: undefined }), ...RUNS);
    expect(preempt(pool)).toBeNull();
    expect(preempt(pool, { mode: "pause" })).toBeNull();
    expect(preempt(pool, { mode: "evict" })).toEqual(EVICTED);
  });
});

describe("what is left of a preempted VM", () => {
  it("starved it goes on, paused it stands still, evicted it waits; its request is as it was", () => {
    expect(running(STARVED)).toMatchObject({
      state: "running",
      allocation: { ribosomes: 40 },
      request: REQUEST,
    });
    expect(running(PAUSED)).toMatchObject({ state: "paused", fence: 9, allocation: { ribosomes: 0 } });
    expect(running(EVICTED)).toMatchObject({
      state: "pending",
      fence: null,
      allocation: null,
      request: REQUEST,
    });
    for (const state of [running(STARVED), running(PAUSED), running(EVICTED)]) {
      expect(state).toMatchObject({ preemption: { ...FOR_WHOM, seq: PREEMPTED_SEQ, active: true } });
    }
  });

  it("is a memory once it has a place again, or asks for none", () => {
    const placed = running(EVICTED, event("placed", { chassisId: "d", fence: 60, allocation: REQUEST }));
    for (const state of [placed, running(STARVED, event("stop-requested", { destroy: false }))]) {
      expect(state).toMatchObject({ preemption: { by: "urgent", active: false } });
    }
    expect(eventOf(decideStop("a", running(PAUSED)))).toMatchObject({ type: "bioxen.vm.stop-requested.v1" });
  });

  it("is placed again like any other, and reports on as before", () => {
    const fresh = { ...entry(REQUEST, 60), fence: 60, phase: "reserved", expiresAtMs: 9e9 } as const;
    expect(eventOf(decidePlace(running(EVICTED), { chassisId: "d", entry: fresh }, 0))).toMatchObject({
      type: "bioxen.vm.placed.v1",
    });
    const failed = { fence: 9, observed: "failed", reason: "x", code: "GUEST_ERROR" } as const;
    expect(eventOf(decideReport(running(PAUSED), failed, undefined, 0))).toMatchObject({
      type: "bioxen.vm.failed.v1",
    });
  });
});

describe("the ledger of a preempted VM", () => {
  it("is left to follow down: the bigger amounts it still has are nobody's", () => {
    const before = entry(REQUEST, 9);
    expect(eventOf(decideFollowLedger(running(STARVED), before))).toBeNull();
    expect(eventOf(decideResize("a", running(STARVED), REQUEST, before))).toBe("CONFLICT");
    expect(eventOf(decideReinstate("a", running(STARVED), PREEMPTED_SEQ, before, false))).toBe("CONFLICT");
  });

  it("has followed, and grows again: that is adopted as what it is", () => {
    const followed = entry({ dnaKilobases: 5, ribosomes: 40 }, 55);
    expect(eventOf(decideFollowLedger(running(STARVED), followed))).toBeNull();
    expect(eventOf(decideFollowLedger(running(STARVED), entry(REQUEST, 60)))).toEqual(
      event("reinstated", { fence: 9, allocation: REQUEST, state: "running" }),
    );
    const part = { dnaKilobases: 5, ribosomes: 70 };
    expect(eventOf(decideFollowLedger(running(STARVED), entry(part, 60)))).toEqual(
      event("resized", { request: REQUEST, allocation: part }),
    );
  });
});

describe("a reinstatement", () => {
  const reinstate = (state: VmState, seq = PREEMPTED_SEQ, goOn = false) =>
    eventOf(decideReinstate("a", state, seq, entry(REQUEST, 99), goOn));
  const userPause = event("paused");

  it("gives back everything, and lets go on who was held", () => {
    expect(reinstate(running(STARVED))).toMatchObject({ data: { state: "running", allocation: REQUEST } });
    expect(reinstate(running(PAUSED))).toMatchObject({ data: { state: "running" } });
    const back = running(PAUSED, event("reinstated", { fence: 9, allocation: REQUEST, state: "running" }));
    expect(back).toMatchObject({ state: "running", reason: null, preemption: { active: false } });
  });

  it("leaves paused what its user paused, before or since", () => {
    expect(reinstate(running(PAUSED, userPause))).toMatchObject({ data: { state: "paused" } });
    expect(reinstate(given(created(), ...RUNS, userPause, PAUSED), 60)).toMatchObject({
      data: { state: "paused" },
    });
    expect(reinstate(running(STARVED, userPause))).toMatchObject({ data: { state: "paused" } });
    const escalated = given(created(), ...RUNS, userPause, STARVED, PAUSED);
    expect(reinstate(escalated, 70)).toMatchObject({ data: { state: "paused" } });
  });

  it("of one whose user resumes it lets it go on, whatever he asked before", () => {
    expect(reinstate(running(PAUSED, userPause), PREEMPTED_SEQ, true)).toMatchObject({
      data: { state: "running" },
    });
  });

  it("changes nothing when it speaks of another preemption, or of none", () => {
    expect(reinstate(running(STARVED), 49)).toBeNull();
    expect(reinstate(running())).toBeNull();
    expect(reinstate(running(EVICTED))).toBeNull();
  });
});

describe("users and preempted VMs", () => {
  it("a pause of one that is held is remembered once; a resume needs its room back first", () => {
    expect(eventOf(decidePause("a", running(PAUSED)))).toEqual(event("paused"));
    expect(eventOf(decidePause("a", running(PAUSED, event("paused"))))).toBeNull();
    expect(eventOf(decideResume("a", running(PAUSED)))).toBe("CONFLICT");
    expect(eventOf(decidePause("a", running(STARVED)))).toEqual(event("paused"));
    expect(eventOf(decideResume("a", running(STARVED, event("paused"))))).toEqual(event("resumed"));
  });

  it("a resize that is granted gives it all it asks for, and ends the preemption", () => {
    const granted = entry({ dnaKilobases: 5, ribosomes: 60 }, 70);
    const resized = eventOf(decideResize("a", running(PAUSED), granted.amounts, granted)) as VmEvent;
    expect(running(PAUSED, resized)).toMatchObject({
      state: "running",
      request: granted.amounts,
      preemption: { active: false },
    });
    expect((running(PAUSED, event("paused"), resized) as Vm).state).toBe("paused");
  });
});
