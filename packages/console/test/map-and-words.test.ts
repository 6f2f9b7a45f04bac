import { ALERT_METRICS } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { cellAt, cellsBetween, gridFor, moved, topFor } from "../app/charts/grid.ts";
import { actionsIn, undoOf } from "../app/model/actions.ts";
import { METRICS, ruleOf } from "../app/model/alert-rule.ts";
import { aggregateOf, decidedBy, whatHappened } from "../app/model/story.ts";
import type { VmView } from "../app/model/types.ts";
import { amountsLine, figure, simTime, span } from "../app/model/words.ts";

describe("the undo of an action", () => {
  const vm = { request: { ribosomes: 503 }, allocation: { ribosomes: 400 } } as unknown as VmView;

  it("leads to what the VM had", () => {
    expect(undoOf(vm, "pause", {})).toMatchObject({ verb: "resume" });
    expect(undoOf(vm, "resize", { resources: { ribosomes: "50%" } })).toMatchObject({
      verb: "resize",
      payload: { resources: { ribosomes: 400 } },
    });
  });

  it("is not offered where nothing leads back", () => {
    for (const verb of ["stop", "destroy", "set-environment", "snapshot"])
      expect(undoOf(vm, verb, {})).toBeUndefined();
  });
});

describe("the form of an alert rule", () => {
  it("has the metrics of the contract with their units", () => {
    const units = Object.entries(ALERT_METRICS).map(([name, { unit }]) => [name, unit]);
    expect(METRICS).toEqual(Object.fromEntries(units));
  });

  it("means a rule for all targets or for one", () => {
    const texts = { ruleId: "slow", metric: "vm.health", side: "below", limit: "50", severity: "warning" };
    const rule = { ruleId: "slow", metric: "vm.health", below: 50, severity: "warning" };
    expect(ruleOf({ ...texts, seconds: "", scope: "" })).toEqual({ ...rule, forMs: 0 });
    expect(ruleOf({ ...texts, seconds: "1.5", scope: "vmId", target: "c1" })).toEqual({
      ...rule,
      forMs: 1_500,
      scope: { vmId: "c1" },
    });
  });
});

describe("the map of cells", () => {
  it("has large squares for few cells, and small ones for thousands", () => {
    expect(gridFor(12, 340, 0).pitch).toBe(30);
    const many = gridFor(3_000, 340, 0);
    expect(many.pitch).toBe(8);
    expect(many.rows * many.columns).toBeGreaterThanOrEqual(3_000);
    expect(gridFor(3_000, 340, 2).pitch).toBe(14);
  });

  it("draws the rows in sight only, and scrolls to a cell that is out of sight", () => {
    const grid = { columns: 10, rows: 300, pitch: 10 };
    expect(cellsBetween(grid, 2_995, 0, 100)).toEqual({ first: 0, last: 100 });
    expect(cellsBetween(grid, 2_995, 105, 100)).toEqual({ first: 100, last: 210 });
    expect(cellsBetween(grid, 2_995, 2_900, 100)).toEqual({ first: 2_900, last: 2_995 });
    expect(topFor(grid, 55, 0, 100)).toBe(0);
    expect(topFor(grid, 2_994, 0, 100)).toBe(2_900);
    expect(topFor(grid, 3, 500, 100)).toBe(0);
  });

  it("finds the cell below a point, and none beside the cells", () => {
    const grid = { columns: 4, rows: 2, pitch: 10 };
    expect(cellAt(grid, 6, 11, 11)).toBe(5);
    expect(cellAt(grid, 6, 25, 11)).toBeUndefined();
    expect(cellAt(grid, 6, 45, 1)).toBeUndefined();
  });

  it("moves with the arrow keys, and stays on the map", () => {
    const grid = { columns: 4, rows: 2, pitch: 10 };
    expect(moved(grid, 6, 1, "ArrowDown")).toBe(5);
    expect(moved(grid, 6, 1, "ArrowUp")).toBe(0);
    expect(moved(grid, 6, 3, "End")).toBe(5);
    expect(moved(grid, 6, 3, "x")).toBeUndefined();
  });
});

describe("words", () => {
  it("show quantities in a fixed number of digits", () => {
    expect([0, 0.00002, 0.01234, 1.2345, 150.44, 13_247].map(figure)).toEqual([
      "0",
      "2.00e-5",
      "0.0123",
      "1.23",
      "150",
      "13,247",
    ]);
    expect([4.25, 75, 3_005].map(simTime)).toEqual(["4.3 min", "1 h 15 min", "2 d 2 h"]);
    expect([900, 61_000, 7_200_000].map(span)).toEqual(["0 s", "1 min", "2 h"]);
    expect(amountsLine({ vcpus: 2, ribosomes: 26_300 })).toBe("26,300 Ribosomes, 2 vCPUs");
  });

  it("tell an event, its aggregate, and who decided it", () => {
    const placed = { type: "bioxen.vm.placed.v1", data: { chassisId: "e1", allocation: { ribosomes: 5 } } };
    expect(whatHappened(placed)).toBe("placed on e1 with 5 Ribosomes");
    expect(whatHappened({ type: "bioxen.vm.never-seen.v3", data: {} })).toBe("never seen");
    expect(aggregateOf({ subject: "vm/c1" })).toEqual({ kind: "vm", id: "c1" });
    expect(decidedBy({ principal: "service:lifecycle", onbehalfof: "alice" })).toBe(
      "service:lifecycle for alice",
    );
  });
});

describe("the actions of a state", () => {
  it("leave out what the service would refuse", () => {
    const verbs = (state: Parameters<typeof actionsIn>[0]) => actionsIn(state).map(({ verb }) => verb);
    expect(verbs("created")).toEqual(["start", "resize", "destroy"]);
    expect(verbs("paused")).toContain("resume");
    expect(verbs("running")).not.toContain("start");
    expect(verbs("destroyed")).toEqual([]);
  });
});
