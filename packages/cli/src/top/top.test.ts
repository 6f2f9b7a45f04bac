import { stripVTControlCharacters } from "node:util";
import type { ActiveAlertView, ChassisView, LedgerView, VmSample, VmView } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COLUMNS, fittingColumns, sortedVms } from "./columns.ts";
import { FIRST_VIEW, frameOf, type TopView } from "./frame.ts";
import { afterKey } from "./keys.ts";
import type { TopPicture, TopVm } from "./picture.ts";

function topVm(vmId: string, doublingTimeMinutes: number | null, more: Partial<VmView> = {}): TopVm {
  const vm = {
    vmId,
    state: "running",
    chassisId: "ecoli-1",
    biologicalType: "syn3a",
    priority: 1,
    createdAtMs: 0,
    ...more,
  };
  const sample = {
    doublingTimeMinutes,
    ribosomes: { total: 500, engaged: 400, cap: 500 },
    atp: { molecules: 1, perSecond: 90, capPerSecond: 100 },
    health: 100,
    divisions: 3,
    simMinutes: 90,
    lagMs: 0,
  };
  return {
    vm: vm as unknown as VmView,
    sample: doublingTimeMinutes === null ? null : (sample as unknown as VmSample),
  };
}

function pictureOf(vms: readonly TopVm[], chassisCount = 2): TopPicture {
  const chassis = Array.from({ length: chassisCount }, (_, i) => ({
    chassis: {
      chassisId: `ecoli-${i + 1}`,
      state: "ready",
      cordoned: i === 1,
      maxVms: 64,
    } as unknown as ChassisView,
    ledger: {
      offered: { ribosomes: 1_000, dnaKilobases: 100 },
      reserved: { ribosomes: 100, dnaKilobases: 75 },
      entries: [],
    } as unknown as LedgerView,
  }));
  const fleet = { utilisation: {}, fairness: 1, health: 99, vms: { running: vms.length }, divisions: 7 };
  return {
    atMs: 60_000,
    fleet: fleet as unknown as TopPicture["fleet"],
    vms,
    chassis,
    alerts: [],
    alertsTotal: 0,
  };
}

const alert = (severity: string, target: string) =>
  ({
    severity,
    ruleId: "starved",
    target,
    metric: "vm.growthPermille",
    value: 400,
    sinceMs: 0,
  }) as ActiveAlertView;

const plain = (lines: readonly string[]) => lines.map(stripVTControlCharacters);

describe("a frame", () => {
  const many = Array.from({ length: 200 }, (_, i) => topVm(`c${i}`, 100 + i));

  it("never exceeds the size of the terminal, for any view, chassis and alerts", () => {
    const sizes = fc.record({
      columns: fc.integer({ min: 20, max: 250 }),
      rows: fc.integer({ min: 4, max: 80 }),
    });
    const views = fc.record({
      sortedBy: fc.constantFrom(...COLUMNS.map(({ name }) => name)),
      scroll: fc.integer({ min: 0, max: 500 }),
      filter: fc.constantFrom("", "c1", "nothing"),
      typing: fc.boolean(),
    });
    fc.assert(
      fc.property(sizes, views, fc.nat(40), fc.nat(60), (size, some, chassis, alertsTotal) => {
        const alerts = Array.from({ length: Math.min(50, alertsTotal) }, (_, i) =>
          alert("warning", `vm/c${i}`),
        );
        const picture = { ...pictureOf(many, chassis), alerts, alertsTotal };
        const lines = plain(frameOf(picture, { ...FIRST_VIEW, ...some }, size));
        expect(lines.length).toBeLessThanOrEqual(size.rows);
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(size.columns);
      }),
    );
  });

  it("shows the fullest resource of a chassis, and that the chassis is cordoned", () => {
    const lines = plain(frameOf(pictureOf([]), FIRST_VIEW, { columns: 100, rows: 24 }));
    expect(lines[2]).toContain("███████████████░░░░░  75 % dna");
    expect(lines[3]).toContain("cordoned");
  });

  it("shows the alerts above the chassis, and counts the alerts that do not fit", () => {
    const alerts = [
      alert("critical", "vm/a"),
      ...Array.from({ length: 9 }, (_, i) => alert("warning", `vm/b${i}`)),
    ];
    const lines = plain(
      frameOf({ ...pictureOf([]), alerts, alertsTotal: 12 }, FIRST_VIEW, { columns: 100, rows: 20 }),
    );
    expect(lines[2]?.trim()).toBe("critical starved vm/a: vm.growthPermille = 400, 1 min ago");
    expect(lines[5]?.trim()).toBe("! 9 more alerts");
    expect(lines[6]).toContain("ecoli-1");
  });

  it("shows only VMs that match the filter, and limits scrolling to the last row", () => {
    const vms = [topVm("a1", 105), topVm("b1", 40, { biologicalType: "minimal_cell" })];
    const view: TopView = { ...FIRST_VIEW, filter: "minimal", scroll: 99 };
    const text = plain(frameOf(pictureOf(vms, 0), view, { columns: 100, rows: 24 })).join("\n");
    expect(text).toContain("b1 ");
    expect(text).not.toContain("a1 ");
  });

  it("keeps the sort column on a narrow terminal", () => {
    expect(fittingColumns(40, "AGE").map(({ name }) => name)).toEqual(["VM", "STATE", "AGE"]);
  });
});

describe("the order of VMs", () => {
  it("puts the largest number first, and VMs without a sample last in both directions", () => {
    const vms = [topVm("a", null), topVm("b", 40, { priority: 2 }), topVm("c", 105, { priority: 5 })];
    const order = (by: string, reversed: boolean) => sortedVms(vms, by, reversed, 0).map(({ vm }) => vm.vmId);
    expect(order("PRIO", false)).toEqual(["c", "b", "a"]);
    expect(order("DOUBLING", false)).toEqual(["b", "c", "a"]);
    expect(order("DOUBLING", true)).toEqual(["c", "b", "a"]);
  });
});

describe("keys", () => {
  it("step through every sort column and back to the first", () => {
    let view: TopView = FIRST_VIEW;
    for (const { name } of COLUMNS) {
      expect(view.sortedBy).toBe(name);
      view = afterKey(view, { name: "right" }) ?? view;
    }
    expect(view.sortedBy).toBe(FIRST_VIEW.sortedBy);
    expect(afterKey(view, { name: "left" })?.sortedBy).toBe(COLUMNS.at(-1)?.name);
  });

  it("quit on q, which is a letter while a filter is typed", () => {
    expect(afterKey(FIRST_VIEW, { name: "q" })).toBeUndefined();
    expect(afterKey(FIRST_VIEW, { name: "c", ctrl: true })).toBeUndefined();
    const typing = afterKey(FIRST_VIEW, { sequence: "/" }) ?? FIRST_VIEW;
    expect(afterKey(typing, { name: "q", sequence: "q" })?.filter).toBe("q");
    expect(afterKey(typing, { name: "c", ctrl: true })).toBeUndefined();
    expect(afterKey({ ...typing, filter: "q" }, { name: "escape" })).toMatchObject({
      filter: "",
      typing: false,
    });
  });
});
