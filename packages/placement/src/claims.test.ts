/**
 * Who gets what there is when some give way.
 */
import type { Chassis } from "@bioxen/contracts";
import { add, amountOf, sum } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContendedRoom, type PreemptedVm, type Settlement, settleClaims } from "./claims.ts";
import { planPlacements } from "./plan.ts";
import type { WaitingVm } from "./snapshot.ts";
import type { Holder } from "./victims.ts";

const OFFERED = { ribosomes: 100 };

function held(vmId: string, priority: number, ribosomes: number): Holder {
  const concessions = [
    { mode: "pause", frees: { ribosomes }, places: 0 },
    { mode: "evict", frees: { ribosomes }, places: 1 },
  ] as const;
  return { vmId, fence: 9, priority, sinceMs: 0, concessions };
}

function chassis(
  chassisId: string,
  free: number,
  more: Partial<ContendedRoom> & { soon?: number } = {},
): ContendedRoom {
  return {
    chassisId,
    chassis: { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false } as Chassis,
    offered: OFFERED,
    room: { free: { ribosomes: free }, placesLeft: 10 },
    pendingRelease: { amounts: { ribosomes: more.soon ?? 0 }, places: 0 },
    holders: [],
    ...more,
  };
}

const wants = (vmId: string, ribosomes: number, priority: number, waitingSinceMs = 0): WaitingVm =>
  ({
    vmId,
    incarnation: 1,
    vmType: "basic",
    placement: {},
    labels: {},
    request: { ribosomes },
    priority,
    waitingSinceMs,
  }) as WaitingVm;

const preempted = (vmId: string, missing: number, priority: number, chassisId = "a"): PreemptedVm => ({
  vmId,
  chassisId,
  priority,
  fence: 9,
  preemptedSeq: 1,
  sinceMs: 0,
  missing: { ribosomes: missing },
});

function settle(
  waiting: WaitingVm[],
  rooms: ContendedRoom[],
  gave: PreemptedVm[] = [],
  mayPreempt = true,
): Settlement {
  return settleClaims(planPlacements(waiting, rooms), waiting, rooms, gave, { mayPreempt });
}
function told({ placements, preemptions, reinstatements }: Settlement) {
  return {
    placed: placements.map(({ vm, chassisId }) => `${vm.vmId} on ${chassisId}`),
    preempted: preemptions.map(
      ({ vm, chassisId, victims }) =>
        `${victims.map((v) => `${v.vmId} ${v.mode}`)} on ${chassisId} for ${vm.vmId}`,
    ),
    back: reinstatements.map(({ vmId }) => vmId),
  };
}

describe("a settlement", () => {
  const full = (vmId = "low", priority = 1) => chassis("a", 10, { holders: [held(vmId, priority, 90)] });

  it("makes room for a higher priority, never for an equal one", () => {
    expect(told(settle([wants("urgent", 50, 3)], [full()]))).toEqual({
      placed: [],
      preempted: ["low pause on a for urgent"],
      back: [],
    });
    expect(told(settle([wants("equal", 50, 1)], [full()])).preempted).toEqual([]);
    expect(told(settle([wants("urgent", 101, 3)], [full()])).preempted).toEqual([]);
    expect(told(settle([wants("urgent", 50, 3)], [full()], [], false)).preempted).toEqual([]);
  });

  it("asks of each chassis what may live there, and takes where it costs least", () => {
    const closed = { ...full(), closed: { code: "UNAVAILABLE", message: "is cordoned" } };
    expect(told(settle([wants("urgent", 50, 3)], [closed])).preempted).toEqual([]);
    const dearer = { ...full("mid", 2), chassisId: "b" };
    expect(told(settle([wants("urgent", 50, 3)], [dearer, full()])).preempted).toEqual([
      "low pause on a for urgent",
    ]);
  });

  it("keeps what is given up for the one it was given up for", () => {
    const releasing = chassis("a", 10, { soon: 45 });
    const all = [wants("urgent", 50, 3), wants("small", 10, 1)];
    expect(told(settle(all, [releasing])).placed, "5 are left beside it").toEqual([]);
    expect(told(settle([wants("urgent", 50, 3), wants("tiny", 5, 1)], [releasing])).placed).toEqual([
      "tiny on a",
    ]);
    expect(told(settle(all, [releasing], [preempted("low", 10, 1)])).back).toEqual([]);
    expect(
      told(settle([wants("urgent", 95, 3), wants("small", 10, 1)], [full()])),
      "as well in the round that takes it",
    ).toMatchObject({ placed: [] });
  });

  it("takes nothing from anybody for one whose room is on its way", () => {
    const releasing = chassis("a", 10, { soon: 45, holders: [held("low", 1, 45)] });
    expect(told(settle([wants("urgent", 50, 3)], [releasing])).preempted).toEqual([]);
  });

  it("takes from each once, and plans the next on what is left", () => {
    const holders = [held("low-1", 1, 40), held("low-2", 1, 40)];
    const all = [wants("first", 40, 4), wants("second", 40, 3), wants("third", 40, 2)];
    const { preempted } = told(settle(all, [chassis("a", 0, { holders })]));
    expect(preempted).toHaveLength(2);
    expect(preempted.join()).toMatch(/for first.*for second/);
    expect(new Set(preempted.map((one) => one.split(" ")[0])).size).toBe(2);
  });

  it("gives back by priority and age, after those of higher priority who can use it, before newcomers of its own", () => {
    const free = [chassis("a", 50)];
    expect(told(settle([], free, [preempted("x", 30, 1), preempted("y", 30, 2)])).back).toEqual(["y"]);
    expect(told(settle([wants("new", 30, 1)], free, [preempted("x", 30, 1)]))).toMatchObject({
      placed: [],
      back: ["x"],
    });
    expect(told(settle([wants("urgent", 30, 2)], free, [preempted("x", 30, 1)]))).toMatchObject({
      placed: ["urgent on a"],
      back: [],
    });
    expect(
      told(settle([wants("large", 90, 5)], free, [preempted("x", 30, 1)])).back,
      "it holds up nobody",
    ).toEqual(["x"]);
    expect(told(settle([], free, [preempted("x", 51, 1)])).back, "all or nothing").toEqual([]);
  });

  it("gives nothing back to whom it takes more from", () => {
    const holders = [held("low", 1, 90)];
    const { back } = told(
      settle([wants("urgent", 50, 3)], [chassis("a", 10, { holders })], [preempted("low", 1, 1)]),
    );
    expect(back).toEqual([]);
  });
});

describe("whatever waits and whoever holds", () => {
  const anyVm = fc.record({
    n: fc.integer({ min: 1, max: 60 }),
    p: fc.integer({ min: 1, max: 5 }),
    t: fc.nat(3),
  });
  const anyRoom = fc.record({
    free: fc.nat(40),
    soon: fc.nat(40),
    holders: fc.array(anyVm, { maxLength: 5 }),
  });
  const anyShrunk = fc.record({ n: fc.nat(30), p: fc.integer({ min: 1, max: 5 }), at: fc.nat(2) });

  it("nothing is promised twice, and nobody of equal or higher priority gives way", () => {
    fc.assert(
      fc.property(
        fc.array(anyVm, { maxLength: 8 }),
        fc.array(anyRoom, { minLength: 1, maxLength: 3 }),
        fc.array(anyShrunk, { maxLength: 3 }),
        (vms, rooms, gave) => {
          const waiting = vms.map(({ n, p, t }, i) => wants(`w-${i}`, n, p, t));
          const all = rooms.map(({ free, soon, holders }, i) =>
            chassis(`c-${i}`, free, {
              soon,
              holders: holders.map(({ n, p }, j) => held(`h-${i}-${j}`, p, n)),
            }),
          );
          const back = gave.map(({ n, p, at }, i) => preempted(`s-${i}`, n, p, `c-${at}`));
          const settled = settle(waiting, all, back);
          for (const { chassisId, room, pendingRelease } of all) {
            const here = <T extends { chassisId: string }>(list: readonly T[]) =>
              list.filter((one) => one.chassisId === chassisId);
            const taken = sum([
              ...here(settled.placements).map(({ vm }) => vm.request),
              ...here(settled.reinstatements).map(({ missing }) => missing),
            ]);
            expect(amountOf(taken, "ribosomes"), "only what is free now").toBeLessThanOrEqual(
              amountOf(room.free, "ribosomes"),
            );
            const preempted = here(settled.preemptions);
            const given = sum(preempted.flatMap(({ victims }) => victims.map(({ frees }) => frees)));
            const used = add(taken, sum(preempted.map(({ vm }) => vm.request)));
            const there = amountOf(sum([room.free, pendingRelease.amounts, given]), "ribosomes");
            expect(amountOf(used, "ribosomes")).toBeLessThanOrEqual(there);
          }
          const victims = settled.preemptions.flatMap(({ vm, victims: own }) =>
            own.map((victim) => ({ vm, victim })),
          );
          for (const { vm, victim } of victims) expect(victim.priority).toBeLessThan(vm.priority);
          expect(new Set(victims.map(({ victim }) => victim.vmId)).size).toBe(victims.length);
          for (const { victims: own } of settled.preemptions) expect(own.length).toBeGreaterThan(0);
          const again = settle([...waiting].reverse(), [...all].reverse(), [...back].reverse());
          expect(told(again)).toEqual(told(settled));
        },
      ),
      { numRuns: 500 },
    );
  });
});
