import { type ExperimentEvent, type Vm, type VmState, vmFold } from "@bioxen/contracts";
import { createdVm, deciderLaws, outcomeOf, stateAfter } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { type ExperimentCommand, experimentDecider, type NewExperiment } from "./experiment.ts";
import { vmWorkOf } from "./vm-work.ts";

const event = (name: string, data: object = {}) =>
  ({ type: `bioxen.experiment.${name}.v1`, data }) as ExperimentEvent;

const STARTED: NewExperiment = {
  file: { experiment: "x" },
  digest: "a",
  seed: 1,
  vmCount: 2,
  rowsPerVm: 3,
  bioxenVersion: "0.2.0",
};
const COLUMNS = [{ name: "a", unit: "1" }];
const recorded = (index: number) => ({ index, incarnation: 1, rowCount: 3, digest: "d", values: [index] });
const failed = (index: number) => ({ index, incarnation: 1, reason: "GUEST_ERROR: it failed" });
const started = event("started", STARTED);
const progressed = (...indexes: number[]) =>
  event("progressed", { columns: COLUMNS, recorded: indexes.map(recorded), failed: [] });

const HISTORIES: Readonly<Record<string, readonly ExperimentEvent[]>> = {
  absent: [],
  running: [started],
  halfDone: [started, progressed(0)],
  complete: [started, progressed(0, 1)],
  cancelling: [started, event("cancel-requested")],
  failing: [started, event("given-up", { reason: "why" })],
  finished: [started, progressed(0, 1), event("finished")],
  cancelled: [started, event("cancel-requested"), event("cancelled")],
  failed: [started, event("given-up", { reason: "why" }), event("failed")],
};
const COMMANDS: Readonly<Record<string, ExperimentCommand>> = {
  start: { type: "start", experimentId: "x", started: STARTED },
  startOther: { type: "start", experimentId: "x", started: { ...STARTED, digest: "b" } },
  cancel: { type: "cancel", experimentId: "x" },
  record: { type: "record", columns: COLUMNS, recorded: [recorded(1)], failed: [] },
  fail: { type: "record", columns: [], recorded: [], failed: [failed(1)] },
  giveUp: { type: "give-up", reason: "why" },
  settle: { type: "settle", isCleared: true },
  settleEarly: { type: "settle", isCleared: false },
};

describe("every command in every state", () => {
  const CONFLICT = "! CONFLICT";
  const NOT_NOW = "! INVALID_TRANSITION";
  it.each<[string, readonly string[]]>([
    // start, another file, cancel, record, fail, give-up, settle, settle with VMs left
    ["absent", ["+ started", "+ started", "! EXPERIMENT_NOT_FOUND", "=", "=", "=", "=", "="]],
    [
      "running",
      ["=", CONFLICT, "+ cancel-requested", "+ progressed", "+ progressed", "+ given-up", "=", "="],
    ],
    [
      "halfDone",
      ["=", CONFLICT, "+ cancel-requested", "+ progressed", "+ progressed", "+ given-up", "=", "="],
    ],
    ["complete", ["=", CONFLICT, "+ cancel-requested", "=", "=", "+ given-up", "+ finished", "="]],
    ["cancelling", ["=", CONFLICT, "=", "=", "=", "=", "+ cancelled", "="]],
    ["failing", ["=", CONFLICT, NOT_NOW, "=", "=", "=", "+ failed", "="]],
    ["finished", ["=", CONFLICT, NOT_NOW, "=", "=", "=", "=", "="]],
    ["cancelled", ["=", CONFLICT, "=", "=", "=", "=", "=", "="]],
    ["failed", ["=", CONFLICT, NOT_NOW, "=", "=", "=", "=", "="]],
  ])("of an experiment that is %s", (name, outcomes) => {
    const state = stateAfter(experimentDecider.fold, HISTORIES[name] ?? []);
    expect(
      Object.values(COMMANDS).map((command) => outcomeOf(experimentDecider.decide(state, command))),
    ).toEqual(outcomes);
  });
});

deciderLaws("experiment", experimentDecider, {
  cases: Object.values(HISTORIES).flatMap((events) =>
    Object.values(COMMANDS).map((command) => ({ events, command })),
  ),
});

describe("results", () => {
  it("are stored once, and at most 50 with one event", () => {
    const state = stateAfter(experimentDecider.fold, [
      event("started", { ...STARTED, vmCount: 200 }),
      event("progressed", { columns: COLUMNS, recorded: [recorded(70)], failed: [] }),
    ]);
    const all = Array.from({ length: 200 }, (_, index) => recorded(index));
    const decision = experimentDecider.decide(state, {
      type: "record",
      columns: COLUMNS,
      recorded: all.slice(60),
      failed: [failed(0)],
    });
    const data =
      decision.ok && decision.event !== null ? (decision.event.data as { recorded: object[] }) : null;
    expect(data?.recorded).toHaveLength(50);
    expect(data?.recorded).not.toContainEqual(recorded(70));
  });

  it("of VMs with other columns keep their columns", () => {
    const other = [{ name: "b", unit: "1" }];
    const state = stateAfter(experimentDecider.fold, [
      started,
      progressed(0),
      event("progressed", { columns: other, recorded: [recorded(1)], failed: [] }),
    ]);
    expect(state).toMatchObject({ columnSets: [COLUMNS, other], recorded: 2 });
  });
});

describe("the work for a VM", () => {
  const own = { experimentId: "x", index: 0, vmId: "x-1", seed: 7 };
  const stateOf = (name: string, more: object = {}) => {
    const state = stateAfter(experimentDecider.fold, HISTORIES[name] ?? []);
    if (!state.exists) throw new Error("it was started");
    return { ...state, owner: "alice", ...more };
  };
  const created = stateAfter(
    vmFold as never,
    [createdVm({ labels: { "bioxen.io/experiment": "x" } })] as never,
  ) as Vm;
  const vm = (fields: object): VmState => ({ ...created, owner: "alice", ...fields }) as VmState;

  it.each<[string, string, VmState, object]>([
    ["running", "absent", { exists: false }, { kind: "create", incarnation: 1 }],
    ["running", "destroyed by a user", vm({ state: "destroyed" }), { kind: "create", incarnation: 2 }],
    ["running", "of another owner before", vm({ state: "destroyed", owner: "bob" }), { kind: "foreign" }],
    ["running", "another VM", vm({ seed: 8 }), { kind: "foreign" }],
    ["running", "created", vm({}), { kind: "start" }],
    ["running", "pending", vm({ state: "pending", reason: "full" }), { kind: "wait", reason: "full" }],
    ["running", "running", vm({ state: "running" }), { kind: "wait", reason: null }],
    ["running", "stopped early", vm({ state: "stopped" }), { kind: "wait", reason: expect.any(String) }],
    [
      "running",
      "at its end",
      vm({ state: "stopped", untilReached: true }),
      { kind: "collect", incarnation: 1 },
    ],
    [
      "running",
      "in error after its end",
      vm({ state: "error", untilReached: true }),
      { kind: "collect", incarnation: 1 },
    ],
    ["running", "in error", vm({ state: "error", failure: "GUEST_ERROR" }), { kind: "fail" }],
    [
      "running",
      "in error, to be restarted",
      vm({ state: "error", restartPolicy: { mode: "always", maxAttempts: 3, backoffMs: 1 } }),
      { kind: "wait" },
    ],
    ["halfDone", "recorded", vm({ state: "stopped" }), { kind: "destroy", incarnation: 1 }],
    ["halfDone", "recorded and destroyed", vm({ state: "destroyed" }), { kind: "done" }],
    ["halfDone", "another one after its result", vm({ incarnation: 2 }), { kind: "done" }],
    ["cancelling", "running", vm({ state: "running" }), { kind: "destroy", incarnation: 1 }],
    ["cancelling", "being destroyed", vm({ state: "stopping", destroyRequested: true }), { kind: "wait" }],
    ["cancelling", "absent", { exists: false }, { kind: "done" }],
    ["cancelled", "late", vm({ state: "created" }), { kind: "destroy", incarnation: 1 }],
    ["cancelled", "another VM", vm({ seed: 8 }), { kind: "done" }],
    ["failing", "running", vm({ state: "running" }), { kind: "destroy", incarnation: 1 }],
  ])("of an experiment that is %s: %s", (name, _what, state, work) => {
    expect(vmWorkOf(stateOf(name), own, state)).toMatchObject(work);
  });

  it("leaves a VM that is kept, unless the experiment is cancelled", () => {
    const file = { keep: true };
    expect(vmWorkOf(stateOf("halfDone", { file }), own, vm({ state: "stopped" }))).toEqual({ kind: "done" });
    expect(vmWorkOf(stateOf("cancelling", { file }), own, vm({ state: "stopped" }))).toMatchObject({
      kind: "destroy",
    });
  });
});
