/**
 * A move, step by step: what may be asked, what follows, and that every step before the last can be taken back.
 */
import { type LedgerEntry, type Vm, type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import type { EventPosition } from "@bioxen/kernel";
import { createdVm } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { decideDefer, decideStop, type VmDecision } from "./vm.ts";
import {
  decideCancelMigration,
  decideHandedOver,
  decideMigrate,
  decideMove,
  decideMoveStep,
  decideNotHandedOver,
  MOVE_DEADLINE_MS,
  type MoveWorld,
  moveDueAtMs,
} from "./vm-move.ts";
import { decideChassisLost, decideFollowLedger, decideReport } from "./vm-world.ts";

const event = (type: string, data: object = {}, version = 1) =>
  ({ type: `bioxen.vm.${type}.v${version}`, data }) as VmEvent;
const CREATED = createdVm({ request: { ribosomes: 503 } });
const HERE = { chassisId: "here", fence: 9, allocation: { ribosomes: 503 } };
const THERE = { chassisId: "there", fence: 20, allocation: { ribosomes: 503 } };
const RUNS = [
  CREATED,
  event("start-requested", { automatic: false }),
  event("placed", HERE),
  event("started", { fence: 9 }),
];
const ASKED = event("migration-requested", { toChassisId: null, code: "COMMAND", reason: "x" });
const DRAINED = event("migration-requested", { toChassisId: null, code: "DRAIN", reason: "x" });
const MIGRATING = event("migrating", THERE);
const MOVED = event("moved", THERE);

const at = (i: number): EventPosition => ({
  eventId: `e${i}`,
  correlationId: "c",
  // So that each reservation is of after what asked for it, and of before what took it.
  seq: 4 * i - 1,
  version: i,
  atMs: 1_000 * i,
});
const given = (...events: VmEvent[]): VmState =>
  events.reduce<VmState>((state, one, i) => vmFold.evolve(state, one, at(i + 1)), vmFold.initial);
const vm = (...events: VmEvent[]) => given(...RUNS, ...events) as Vm;

function outcome(decision: VmDecision): string {
  if (!decision.ok) return `! ${decision.rejection.code}`;
  if (decision.event === null) return "=";
  const { code } = decision.event.data as { code?: string };
  const what = decision.event.type.replace(/bioxen\.vm\.|\.v\d+$/g, "");
  return `+ ${what}${what === "migration-cancelled" ? ` ${code}` : ""}`;
}

const entry = (more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  vmId: "a",
  incarnation: 1,
  fence: 20,
  reservedBy: "e",
  amounts: { ribosomes: 503 },
  amountsSeq: 20,
  phase: "reserved",
  expiresAtMs: 50_000,
  ...more,
});
const world = (more: Partial<MoveWorld> = {}): MoveWorld => ({
  place: undefined,
  targetEntry: undefined,
  isTargetLost: false,
  knownSeq: 100,
  nowMs: 6_000,
  ...more,
});
const migrate = (state: VmState, toChassisId: string | null = null) =>
  outcome(decideMigrate("a", state, { toChassisId, code: "COMMAND", reason: "x" }, () => undefined));

describe("asking for a move", () => {
  it("is allowed of a VM with a guest, once", () => {
    expect(migrate(vm())).toBe("+ migration-requested");
    expect(migrate(vm(event("paused")))).toBe("+ migration-requested");
    expect(migrate(vm(), "here"), "it is there").toBe("=");
    expect(migrate(vm(ASKED))).toBe("=");
    expect(migrate(vm(ASKED), "there")).toBe("! CONFLICT");
    expect(migrate(vm(ASKED, MIGRATING), "there")).toBe("=");
    expect(migrate(given(CREATED))).toBe("! INVALID_TRANSITION");
    expect(migrate(vm(ASKED, MIGRATING, MOVED))).toBe("! INVALID_TRANSITION");
    expect(migrate(given())).toBe("! VM_NOT_FOUND");
  });

  it("is refused to a pool's VM, and where it is known that it cannot be", () => {
    expect(migrate({ ...vm(), vmType: "xcpng" })).toBe("! UNSUPPORTED");
    const full = () =>
      ({ ok: false, rejection: { code: "INFEASIBLE", message: "", retryable: false } }) as const;
    const request = { toChassisId: null, code: "COMMAND", reason: "x" } as const;
    expect(outcome(decideMigrate("a", vm(), request, full))).toBe("! INFEASIBLE");
  });

  it("for the sake of a chassis passes over who is gone from there, or on the way", () => {
    const move = (state: VmState, from = "here") =>
      outcome(decideMove("a", state, from, { toChassisId: null, code: "DRAIN", reason: "x" }));
    expect(move(vm())).toBe("+ migration-requested");
    expect(move(vm(), "there")).toBe("=");
    expect(move(vm(ASKED))).toBe("=");
    expect(move(given(...RUNS.slice(0, 3))), "it is starting").toBe("=");
  });
});

describe("the steps of a move", () => {
  const place = { chassisId: "there", entry: entry() };

  it("lead there: a place, the guest handed over, a start under the new fence", () => {
    expect(outcome(decideMoveStep(vm(ASKED), world()))).toBe("=");
    expect(outcome(decideMoveStep(vm(ASKED), world({ place })))).toBe("+ migrating");
    const migrating = vm(ASKED, MIGRATING);
    expect(migrating).toMatchObject({ state: "running", chassisId: "here", fence: 9, lastFence: 20 });
    expect(outcome(decideMoveStep(migrating, world({ targetEntry: entry() })))).toBe("=");
    expect(outcome(decideHandedOver(migrating, entry(), 49_999))).toBe("+ moved");
    const moved = vm(ASKED, MIGRATING, MOVED);
    expect(moved).toMatchObject({ state: "starting", ...THERE, migration: null });
    const started = { fence: 20, observed: "started", reason: "", code: "INTERNAL" } as const;
    expect(outcome(decideReport(moved, started, entry(), 0))).toBe("+ started");
  });

  it("take no place that is past its time, of another request, of another life, or reserved before it was to move", () => {
    for (const wrong of [
      entry({ expiresAtMs: 5_999 }),
      entry({ amounts: { ribosomes: 1 } }),
      entry({ incarnation: 2 }),
      entry({ fence: 9 }),
      entry({ fence: 18 }),
    ]) {
      const one = { chassisId: "there", entry: wrong };
      expect(outcome(decideMoveStep(vm(ASKED), world({ place: one })))).toBe("=");
    }
  });

  it("keep the later of the guest's state and its checkpoint, and of the same course of its life only", () => {
    const state = (simMinutes: number) => ({
      checkpointId: `c${simMinutes}`,
      simMinutes,
      bytes: 1,
      sha256: "0".repeat(64),
    });
    const moving = vm(event("checkpointed", { fence: 9, ...state(5) }), ASKED, MIGRATING);
    const kept = (simMinutes: number, restores = 0) => {
      const decision = decideHandedOver(moving, entry(), 0, { checkpoint: state(simMinutes), restores });
      if (!decision.ok || decision.event?.type !== "bioxen.vm.moved.v1") throw new Error("it moves");
      return decision.event.data.checkpoint?.checkpointId ?? null;
    };
    expect(kept(6)).toBe("c6");
    expect(kept(5)).toBe("c5");
    expect(kept(4), "it goes on from the one that is recorded").toBeNull();
    expect(kept(6, 1)).toBeNull();
  });

  it("end with the target: lost, or given back; but not for news that is only late", () => {
    const migrating = vm(ASKED, MIGRATING);
    const step = (more: Partial<MoveWorld>) => outcome(decideMoveStep(migrating, world(more)));
    expect(step({ targetEntry: entry(), isTargetLost: true })).toBe("+ migration-cancelled TARGET_LOST");
    expect(step({ targetEntry: entry({ fence: 21 }) })).toBe("+ migration-cancelled RESERVATION_ENDED");
    expect(step({})).toBe("+ migration-cancelled RESERVATION_ENDED");
    expect(step({ knownSeq: 19 })).toBe("=");
    expect(outcome(decideHandedOver(migrating, undefined, 0)), "the agent says it again").toBe("=");
    expect(outcome(decideHandedOver(migrating, entry(), 50_000))).toBe("=");
  });

  it("wait for a place as long as a command may, a drain as long as it takes", () => {
    const dueAtMs = 5_000 + MOVE_DEADLINE_MS;
    expect(moveDueAtMs(vm(ASKED))).toBe(dueAtMs);
    expect(outcome(decideMoveStep(vm(ASKED), world({ nowMs: dueAtMs - 1 })))).toBe("=");
    expect(outcome(decideMoveStep(vm(ASKED), world({ nowMs: dueAtMs })))).toBe(
      "+ migration-cancelled NO_ROOM",
    );
    expect(moveDueAtMs(vm(DRAINED))).toBeUndefined();
    expect(outcome(decideMoveStep(vm(DRAINED), world({ nowMs: 1e12 })))).toBe("=");
    expect(moveDueAtMs(vm(ASKED, MIGRATING))).toBeUndefined();
  });

  it("are not taken when the guest cannot be handed over", () => {
    expect(outcome(decideNotHandedOver(vm(ASKED, MIGRATING), "x"))).toBe(
      "+ migration-cancelled HAND_OVER_FAILED",
    );
    expect(outcome(decideNotHandedOver(vm(), "x"))).toBe("=");
  });

  it("say why they wait, once", () => {
    const reasons = [{ chassisId: "there", code: "CAPACITY_EXCEEDED", message: "full" }];
    expect(outcome(decideDefer(vm(ASKED), reasons))).toBe("+ deferred");
    const told = vm(ASKED, event("deferred", { reasons }));
    expect(told).toMatchObject({ state: "running", reason: null, migration: { refusals: reasons } });
    expect(outcome(decideDefer(told, reasons))).toBe("=");
    expect(outcome(decideDefer(vm(ASKED, MIGRATING), reasons))).toBe("=");
    expect(outcome(decideDefer(vm(), reasons))).toBe("=");
  });
});

describe("whatever comes in between", () => {
  it.each([
    ["asked for", [ASKED]],
    ["under way", [ASKED, MIGRATING]],
  ])("ends a move that is %s", (_what, move) => {
    const moving = vm(...move);
    const after = (decision: VmDecision) => {
      if (!decision.ok || decision.event === null) throw new Error("it ends");
      return vm(...move, decision.event as VmEvent);
    };
    const failed = { fence: 9, observed: "failed", reason: "x", code: "GUEST_ERROR" } as const;
    expect(after(decideStop("a", moving))).toMatchObject({
      state: "stopping",
      chassisId: "here",
      migration: null,
    });
    expect(after(decideChassisLost(moving))).toMatchObject({ state: "pending", migration: null });
    expect(after(decideFollowLedger(moving, null))).toMatchObject({ state: "pending", migration: null });
    expect(after(decideReport(moving, failed, undefined, 0))).toMatchObject({
      state: "error",
      migration: null,
    });
    expect(after(decideCancelMigration("a", moving))).toMatchObject({
      state: "running",
      chassisId: "here",
      fence: 9,
      migration: null,
    });
    expect(outcome(decideCancelMigration("a", vm()))).toBe("=");
  });

  it("a paused VM is paused where it moved to", () => {
    const moved = vm(event("paused"), ASKED, MIGRATING, MOVED);
    expect(moved).toMatchObject({ state: "starting", startsPaused: true });
  });

  it("a pause or a resume on the way is kept", () => {
    expect(vm(ASKED, event("paused"), MIGRATING)).toMatchObject({
      state: "paused",
      migration: { target: THERE },
    });
  });
});
