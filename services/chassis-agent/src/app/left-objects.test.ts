/**
 * Reports of what a pool keeps: each change once, and "gone" only after the pool was asked.
 */
import { chassisFold, type LeftObject } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { FakeClock, settle } from "@bioxen/testkit";
import type { GuestEvent, LeftBehind, VmDriver } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { LeftObjects } from "./left-objects.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const LOOK_MS = 5_000;

function left(uuid: string, nextTryAtMs?: number): LeftBehind {
  return { vmId: "x1", kind: "disk", uuid, tries: 1, reason: "VDI_IN_USE", nextTryAtMs };
}

function rig(recordedAtFirst: readonly LeftObject[] = []) {
  const clock = new FakeClock();
  const reports: string[] = [];
  let recorded = recordedAtFirst;
  let listed: readonly LeftBehind[] = [];
  let isThere = true;
  let isReachable = true;
  let tell: (event: GuestEvent) => void = () => undefined;
  const bus = {
    call: async (_subject: string, request: { uuid: string; left: Omit<LeftObject, "uuid"> | null }) => {
      const { uuid, left: now } = request;
      reports.push(
        now === null ? `${uuid} gone` : `${uuid} ${now.nextTryAtMs === null ? "given up" : "tried"}`,
      );
      recorded = recorded.filter((one) => one.uuid !== uuid);
      if (now !== null) recorded = [...recorded, { uuid, ...now }];
      return { ok: true, changed: true, chassis: {} };
    },
  };
  const driver: Partial<VmDriver> = {
    stillHas: async () => {
      if (!isReachable) throw new Error("the pool does not answer");
      return isThere;
    },
  };
  const objects = new LeftObjects({
    // Only the ports, and the parts of the view and the drivers, that the reports use.
    ports: { bus, clock, timers: clock, logger: silent } as unknown as ServicePorts,
    claim: { isHeld: () => true },
    drivers: {
      all: [driver as VmDriver],
      leftBehind: () => [...listed],
      onGuestEvent: (listener) => {
        tell = listener;
      },
    },
    view: {
      hosted: () => ["pool"],
      registered: () => ({ ...(chassisFold.initial as never as object), leftBehind: recorded }) as never,
    },
    poolIds: ["pool"],
  });
  objects.begin();
  return {
    clock,
    reports,
    lists: (...all: LeftBehind[]) => {
      listed = all;
    },
    tells: (one: LeftBehind) => tell({ kind: "left", vmId: "x1", left: one }),
    pool: (there: boolean, reachable = true) => {
      isThere = there;
      isReachable = reachable;
    },
    end: () => objects.end(),
  };
}

it("the first failure, the end of the tries and the removal are reported, each once", async () => {
  const { clock, reports, lists, tells, pool, end } = rig();
  await settle();
  lists(left("u1", 7));
  tells(left("u1", 7));
  await settle();
  expect(reports, "a failed removal is reported at once").toEqual(["u1 tried"]);
  await clock.advance(4 * LOOK_MS);
  lists(left("u1"));
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual(["u1 tried", "u1 given up"]);
  lists();
  pool(false);
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual(["u1 tried", "u1 given up", "u1 gone"]);
  await end();
});

it("the tries of a restarted agent take nothing back: what was given up stays so until it is gone", async () => {
  const { clock, reports, lists, tells, pool, end } = rig([{ ...left("u1"), nextTryAtMs: null }]);
  lists(left("u1", 7));
  tells(left("u1", 7));
  await clock.advance(4 * LOOK_MS);
  lists(left("u1"));
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual([]);
  lists();
  pool(false);
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual(["u1 gone"]);
  await end();
});

it("an object of an earlier run is gone only when the pool says so", async () => {
  const { clock, reports, pool, end } = rig([{ ...left("u1"), nextTryAtMs: null }]);
  await clock.advance(4 * LOOK_MS);
  pool(true, false);
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual([]);
  pool(false);
  await clock.advance(4 * LOOK_MS);
  expect(reports).toEqual(["u1 gone"]);
  await end();
});
