/**
 * Each check of a chaos run finds a planted violation.
 */
import type { LedgerView, VmView } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { Universe } from "../sim/universe.ts";
import {
  checkAcknowledgements,
  checkFold,
  checkGuests,
  checkReservations,
  checkResults,
  type Effect,
} from "./checks.ts";
import { FAULTS, type FaultRecord, nextFault } from "./faults.ts";
import { failedWithin, longestGapMs } from "./gaps.ts";
import type { Intent } from "./load.ts";
import { RECOVERY_BOUND_MS, recoveries, tooSlow } from "./report.ts";

const intent = (outcome: string, version = 3): Intent => ({
  causeId: "c1",
  vmId: "a",
  outcome,
  version,
  attempts: 1,
  sentAtMs: 0,
  answeredAtMs: 1,
});
const effect = (seq: number, version = 3): Effect => ({ seq, subject: "vm/a", version });
const acknowledged = (one: Intent, ...effects: Effect[]) =>
  checkAcknowledgements([one], new Map(effects.length === 0 ? [] : [["c1", effects]]));

describe("acknowledged commands", () => {
  it("a command with one event is no problem, nor is a refused command without one", () => {
    expect(acknowledged(intent("changed"), effect(7))).toEqual([]);
    expect(acknowledged(intent("changed", 5), effect(7))).toEqual([]);
    expect(acknowledged(intent("unchanged"))).toEqual([]);
    expect(acknowledged(intent("INVALID_TRANSITION", 0))).toEqual([]);
    const ledger = { ...effect(8), subject: "ledger/c" };
    expect(acknowledged(intent("changed"), effect(7), ledger)).toEqual([]);
  });

  it.each([
    ["lost", acknowledged(intent("changed"))],
    ["lost", acknowledged(intent("changed", 2), effect(7))],
    ["double effect", acknowledged(intent("changed"), effect(7), effect(8, 4))],
    ["unacknowledged", acknowledged(intent("INVALID_TRANSITION", 0), effect(7))],
    ["unacknowledged", acknowledged(intent("unchanged"), effect(7))],
    ["unanswered", acknowledged(intent("unanswered", 0))],
  ])("%s is found", (kind, problems) => {
    expect(problems).toEqual([expect.stringContaining(`${kind}: c1`)]);
  });
});

const vm = (state: string, chassisId: string | null, fence: number | null, vmId = "a") =>
  ({ vmId, state, chassisId, fence }) as VmView;
const ledger = (chassisId: string, ...entries: [string, number][]) =>
  ({ chassisId, entries: entries.map(([vmId, fence]) => ({ vmId, fence })) }) as unknown as LedgerView;

describe("reservations", () => {
  it("a VM on its reservation is no problem, nor is a stopped VM without one", () => {
    expect(checkReservations([vm("running", "c", 4)], [ledger("c", ["a", 4])])).toEqual([]);
    expect(checkReservations([vm("stopped", null, null)], [ledger("c")])).toEqual([]);
  });

  it.each([
    ["reservation without a VM", [], [ledger("c", ["a", 4])]],
    ["reservation without a VM", [vm("stopped", null, null)], [ledger("c", ["a", 4])]],
    ["reservation without a VM", [vm("running", "c", 4)], [ledger("c", ["a", 4]), ledger("d", ["a", 5])]],
    ["VM without a reservation", [vm("running", "c", 4)], [ledger("c")]],
  ])("%s is found", (kind, vms, ledgers) => {
    expect(checkReservations(vms, ledgers)).toEqual([expect.stringContaining(kind)]);
  });
});

const report = (chassisId: string, vmIds: string[], guests = vmIds.length, strays = 0) => ({
  chassisId,
  vmIds,
  guests,
  strays,
});

describe("guests", () => {
  it("a VM that runs on the chassis of the log is no problem", () => {
    const vms = [vm("running", "c", 4), vm("stopped", null, null, "b")];
    expect(checkGuests(vms, [report("c", ["a"]), report("d", [])])).toEqual([]);
  });

  it.each([
    ["runs twice", [vm("running", "c", 4)], [report("c", ["a"]), report("d", ["a"])]],
    ["runs elsewhere", [vm("running", "c", 4)], [report("c", []), report("d", ["a"])]],
    ["on no chassis", [vm("running", "c", 4)], [report("c", [], 1)]],
    ["runs without cause", [vm("stopped", null, null)], [report("c", ["a"])]],
    ["the log says 1 should", [vm("running", "c", 4)], [report("c", ["a"], 2)]],
    ["runs 1 that the log does not know", [vm("running", "c", 4)], [report("c", ["a"], 1, 1)]],
  ])("%s is found", (kind, vms, reports) => {
    expect(checkGuests(vms, reports).join("\n")).toContain(kind);
  });
});

describe("the rest", () => {
  it("an instance whose answer differs from the fold is named, with the first difference", () => {
    expect(checkFold("lifecycle 1", [{ a: 1 }], [{ a: 1 }])).toEqual([]);
    expect(checkFold("lifecycle 1", [{ a: 1 }, { a: 2 }], [{ a: 1 }])).toEqual([
      'state: lifecycle 1 is not the fold: 2 and 1, first {"a":2} and undefined',
    ]);
  });

  it("a recovery beyond the bound is found; only commands sent after the fault count", () => {
    const fault: FaultRecord = { kind: "kill server", victim: "nats-server", overAtMs: 100 };
    const sentBefore = { ...intent("changed"), sentAtMs: 99, answeredAtMs: 101 };
    const late = { ...intent("changed"), sentAtMs: 101, answeredAtMs: 101 + RECOVERY_BOUND_MS };
    expect(tooSlow(recoveries([fault], [sentBefore, late]))).toHaveLength(1);
    const soon = { ...intent("changed"), sentAtMs: 105, answeredAtMs: 110 };
    expect(recoveries([fault], [sentBefore, late, soon])).toEqual([{ fault, tookMs: 10 }]);
    expect(tooSlow(recoveries([fault], [soon]))).toEqual([]);
  });

  it("the longest gap counts commands sent after the kill; a span without an answer is one gap", () => {
    const span = { fromMs: 1_000, toMs: 9_000 };
    const at = (sentAtMs: number, answeredAtMs: number) => ({ ...intent("changed"), sentAtMs, answeredAtMs });
    expect(longestGapMs([], span)).toBe(8_000);
    expect(longestGapMs([at(1_100, 1_200), at(1_100, 4_000), at(4_000, 8_500)], span)).toBe(4_500);
    expect(longestGapMs([at(900, 5_000), at(1_100, 8_000)], span)).toBe(7_000);
  });

  it("a command sent within the span and given up is found, but none that was sent before it", () => {
    const span = { fromMs: 1_000, toMs: 9_000 };
    const at = (sentAtMs: number, attempts: number) => ({ ...intent("changed"), sentAtMs, attempts });
    const given = at(1_500, 2);
    expect(failedWithin([given, at(500, 2), at(9_100, 2), at(2_000, 1)], span)).toEqual([given]);
  });

  it("a seed is one sequence of faults: first one of each kind, then random kinds", () => {
    const drawn = (seed: number) => {
      const choose = new Universe(seed);
      return Array.from({ length: 60 }, (_, n) => nextFault(choose, n));
    };
    expect(drawn(1)).toEqual(drawn(1));
    expect(drawn(1)).not.toEqual(drawn(2));
    expect(drawn(1).slice(0, FAULTS.length)).toEqual(FAULTS);
    expect(drawn(3).filter((kind) => kind.startsWith("kill")).length).toBeGreaterThan(20);
  });
});

describe("results of an experiment", () => {
  const result = (vmId: string, quality: number, digest: string | null) => ({
    vmId,
    values: { quality },
    digest,
  });
  const whole = [result("x-1", 1, "a"), result("x-2", 1, "a"), result("x-3", 2, "b"), result("x-4", 2, "b")];

  it("a course for each combination is no problem", () => {
    expect(checkResults(whole, 2)).toEqual([]);
  });

  it.each([
    ["no result", [...whole.slice(0, 3), result("x-4", 2, null)]],
    ["course", [...whole.slice(0, 3), result("x-4", 2, "c")]],
    ["2 combinations have 1 courses", whole.map((one) => ({ ...one, digest: "a" }))],
    ["1 combinations have 1 courses", whole.slice(0, 2)],
  ])("finds: %s", (kind, results) => {
    expect(checkResults(results, 2).join("\n")).toContain(kind);
  });
});
