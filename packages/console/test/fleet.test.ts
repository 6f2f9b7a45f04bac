import { describe, expect, it, vi } from "vitest";
import { Fleet, type FleetSource, KEPT_EVENTS } from "../app/model/fleet.ts";
import { Recent } from "../app/model/recent.ts";
import type { LogEvent, VmSample, VmView } from "../app/model/types.ts";
import { VmIndex } from "../app/model/vm-index.ts";

const NOW = "2026-12-01T12:00:00.000Z";

function vm(vmId: string, fields: Partial<VmView> = {}): VmView {
  return {
    vmId,
    incarnation: 1,
    state: "created",
    chassisId: null,
    version: 1,
    refusals: [],
    ...fields,
  } as VmView;
}

function event(
  seq: number,
  subject: string,
  verb: string,
  aggregateversion: number,
  data: object = {},
): LogEvent {
  const kind = subject.split("/")[0];
  return {
    seq,
    id: `e${seq}`,
    type: `bioxen.${kind}.${verb}.v1`,
    subject,
    time: NOW,
    data,
    aggregateversion,
    correlationid: "c",
    causationid: "c",
  } as LogEvent;
}

function source(vms: readonly VmView[], fields: Partial<FleetSource> = {}): FleetSource {
  return {
    vm: async (id) => vms.find(({ vmId }) => vmId === id),
    vms: async (onPage) => {
      onPage?.(vms);
      return vms;
    },
    chassis: async () => [],
    ledgers: async () => [],
    ledger: async () => undefined,
    ...fields,
  };
}

describe("the live fleet", () => {
  it("shows a start at once, without a question to a service", async () => {
    const asked = vi.fn(async () => undefined);
    const fleet = new Fleet(source([vm("c1")], { vm: asked }));
    await fleet.load();
    fleet.apply(event(1, "vm/c1", "start-requested", 2, { automatic: false }));
    expect(fleet.vms.get("c1")?.state).toBe("pending");
    fleet.apply(event(2, "vm/c1", "placed", 3, { chassisId: "e1", fence: 2, allocation: { ribosomes: 9 } }));
    fleet.apply(event(3, "vm/c1", "started", 4, { fence: 2 }));
    expect(fleet.vms.get("c1")).toMatchObject({
      state: "running",
      chassisId: "e1",
      allocation: { ribosomes: 9 },
    });
    fleet.flush();
    expect(asked).not.toHaveBeenCalled();
  });

  it("ignores events that the listed view already contains, and events that arrive twice", async () => {
    const fleet = new Fleet(source([vm("c1", { state: "running", version: 4 })]));
    await fleet.load();
    fleet.apply(event(1, "vm/c1", "paused", 3));
    expect(fleet.vms.get("c1")?.state).toBe("running");
    fleet.apply(event(2, "vm/c1", "paused", 5));
    fleet.apply(event(2, "vm/c1", "resumed", 6));
    expect(fleet.vms.get("c1")?.state).toBe("paused");
    expect(fleet.events.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("reads a view again when an event was missed, or changes what only a service knows", async () => {
    const newest = vm("c1", { state: "stopped", version: 9 });
    const fleet = new Fleet(source([vm("c1", { state: "running", version: 4 })], { vm: async () => newest }));
    await fleet.load();
    fleet.apply(event(1, "vm/c1", "paused", 6));
    fleet.flush();
    await vi.waitFor(() => expect(fleet.vms.get("c1")).toBe(newest));
    const resized = vm("c1", { version: 10, request: { ribosomes: 5 } });
    const other = new Fleet(source([vm("c1", { version: 9 })], { vm: async () => resized }));
    await other.load();
    other.apply(event(1, "vm/c1", "resized", 10, {}));
    other.flush();
    await vi.waitFor(() => expect(other.vms.get("c1")).toBe(resized));
  });

  it("asks again after a failed reread, once the connection is back", async () => {
    let isUp = false;
    const reread = vm("c1", { version: 3 });
    const fleet = new Fleet(
      source([vm("c1")], {
        vm: async () => {
          if (!isUp) throw new Error("away");
          return reread;
        },
      }),
    );
    await fleet.load();
    fleet.apply(event(1, "vm/c1", "resized", 2));
    fleet.flush();
    await Promise.resolve();
    isUp = true;
    await vi.waitFor(() => {
      fleet.flush();
      expect(fleet.vms.get("c1")).toBe(reread);
    });
  });

  it("shows each page of a long list as it comes, and none that is older than an event", async () => {
    const next = Promise.withResolvers<void>();
    const [first, gone, late] = [vm("c1"), vm("c2"), vm("c3", { version: 2 })];
    const asked = vi.fn(async () => undefined);
    const fleet = new Fleet(
      source([], {
        vm: asked,
        vms: async (onPage) => {
          onPage?.([first]);
          await next.promise;
          onPage?.([gone, late]);
          return [first, gone, late];
        },
      }),
    );
    const loading = fleet.load();
    expect([fleet.vms.size, fleet.loaded]).toEqual([1, false]);
    fleet.apply(event(1, "vm/c2", "destroyed", 2));
    fleet.apply(event(2, "vm/c3", "paused", 2));
    next.resolve();
    await loading;
    fleet.flush();
    expect([...fleet.vms.keys()]).toEqual(["c1", "c3"]);
    // The list has what the event changed.
    expect(asked).not.toHaveBeenCalled();
  });

  it("forgets a destroyed VM with its telemetry, and keeps a bounded number of events", async () => {
    const fleet = new Fleet(source([vm("c1", { state: "stopping", version: 1 })]));
    await fleet.load();
    fleet.sample({ vmId: "c1", atMs: 1 } as VmSample);
    fleet.apply(event(1, "vm/c1", "destroyed", 2, { reason: "asked" }));
    expect([fleet.vms.size, fleet.samples.size]).toEqual([0, 0]);
    for (let seq = 2; seq < 2 * KEPT_EVENTS; seq++) fleet.apply(event(seq, "quota/a", "set", seq));
    expect(fleet.events.length).toBeLessThanOrEqual(KEPT_EVENTS * 1.25);
    expect(fleet.events.at(-1)?.seq).toBe(2 * KEPT_EVENTS - 1);
  });
});

describe("the VMs by id", () => {
  it("are in the order of their numbers, and grouped by chassis, after every change", () => {
    const index = new VmIndex();
    for (const id of ["c10", "c2", "c1"]) index.set(id, vm(id, { chassisId: "e1" }));
    const ids = () => index.ordered().map(({ vmId }) => vmId);
    expect(ids()).toEqual(["c1", "c2", "c10"]);
    index.set("c2", vm("c2", { chassisId: "e2", version: 2 }));
    expect(index.byChassis().get("e2")).toMatchObject([{ vmId: "c2", version: 2 }]);
    index.delete("c1");
    index.set("c1", vm("c1", { version: 5 }));
    index.set("c3", vm("c3"));
    index.delete("c10");
    expect(ids()).toEqual(["c1", "c2", "c3"]);
    expect(index.byChassis().get("e1")).toBeUndefined();
  });

  it("keep their lists until a VM changes, so that a view that has not changed is not drawn again", () => {
    const index = new VmIndex();
    index.set("c1", vm("c1", { chassisId: "e1" }));
    const [before, group] = [index.ordered(), index.byChassis().get("e1")];
    expect(index.ordered()).toBe(before);
    expect(index.byChassis().get("e1")).toBe(group);
    index.set("c1", vm("c1", { version: 2 }));
    expect(index.ordered()).not.toBe(before);
  });
});

describe("the newest samples of a VM", () => {
  it("keep the whole course in a bounded number of points", () => {
    const recent = new Recent();
    for (let at = 1; at <= 10_000; at++) recent.add({ vmId: "c", atMs: at, simMinutes: at } as VmSample);
    expect(recent.points.length).toBeLessThanOrEqual(601);
    expect(recent.points[0]?.atMs).toBeLessThan(100);
    expect(recent.points.at(-1)?.atMs).toBeGreaterThan(9_900);
  });

  it("begin again with a cell that continues from an earlier minute", () => {
    const recent = new Recent();
    recent.add({ atMs: 1, simMinutes: 50 } as VmSample);
    recent.add({ atMs: 2, simMinutes: 10 } as VmSample);
    expect(recent.points.map(({ simMinutes }) => simMinutes)).toEqual([10]);
  });
});
