/**
 * The settlement of one round: which placements, preemptions and reinstatements its room allows.
 */
import type { Chassis } from "@bioxen/contracts";
import { add, amountOf, sum } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContendedRoom, type PreemptedVm, type Settlement, settleClaims } from "./claims.ts";
import { HOLD_AFTER_MS, planPlacements } from "./plan.ts";
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
  more: Partial<ContendedRoom> & { released?: number } = {},
): ContendedRoom {
  return {
    chassisId,
    chassis: { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false } as Chassis,
    offered: OFFERED,
    room: { free: { ribosomes: free }, placesLeft: 10 },
    pendingRelease: { amounts: { ribosomes: more.released ?? 0 }, places: 0 },
    holders: [],
    ...more,
  };
}

const waitingVm = (vmId: string, ribosomes: number, priority: number, waitingSinceMs = 0): WaitingVm =>
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
  preemptedVms: PreemptedVm[] = [],
  mayPreempt = true,
): Settlement {
  return settleClaims(planPlacements(waiting, rooms), waiting, rooms, preemptedVms, { mayPreempt });
}
function outcomeOf({ placements, preemptions, reinstatements }: Settlement) {
  return {
    placed: placements.map(({ vm, chassisId }) => `${vm.vmId} on ${chassisId}`),
    preempted: preemptions.map(
      ({ vm, chassisId, victims }) =>
        `${victims.map((v) => `${v.vmId} ${v.mode}`)} on ${chassisId} for ${vm.vmId}`,
    ),
    reinstated: reinstatements.map(({ vmId }) => vmId),
  };
}

describe("a settlement", () => {
  it("preempts nothing on a chassis that is held for a VM before, which the next plan would keep empty", () => {
    // Four fifths are in use, by VMs of which only the one with priority 1 can give way.
    const rooms = [chassis("a", 20, { holders: [held("low", 1, 20)] })];
    const aged = waitingVm("aged", 90, 4);
    const settled = (waiting: WaitingVm[]) => {
      const plan = planPlacements(waiting, rooms, { nowMs: HOLD_AFTER_MS });
      return outcomeOf(settleClaims(plan, waiting, rooms, [], { mayPreempt: true })).preempted;
    };
    const later = waitingVm("later", 30, 3, 1);
    expect(settled([later])).toEqual(["low pause on a for later"]);
    expect(settled([aged, later])).toEqual([]);
    const higher = waitingVm("higher", 30, 5, 1);
    expect(settled([aged, higher])).toEqual(["low pause on a for higher"]);
  });

  const full = (vmId = "low", priority = 1) => chassis("a", 10, { holders: [held(vmId, priority, 90)] });

  it("preempts for a higher priority, never for an equal one", () => {
    expect(outcomeOf(settle([waitingVm("urgent", 50, 3)], [full()]))).toEqual({
      placed: [],
      preempted: ["low pause on a for urgent"],
      reinstated: [],
    });
    expect(outcomeOf(settle([waitingVm("equal", 50, 1)], [full()])).preempted).toEqual([]);
    expect(outcomeOf(settle([waitingVm("urgent", 101, 3)], [full()])).preempted).toEqual([]);
    expect(outcomeOf(settle([waitingVm("urgent", 50, 3)], [full()], [], false)).preempted).toEqual([]);
  });

  it("preempts only on a chassis where the VM may run, on the one where it costs least", () => {
    const closed = { ...full(), closed: { code: "UNAVAILABLE", message: "is cordoned" } };
    expect(outcomeOf(settle([waitingVm("urgent", 50, 3)], [closed])).preempted).toEqual([]);
    const dearer = { ...full("mid", 2), chassisId: "b" };
    expect(outcomeOf(settle([waitingVm("urgent", 50, 3)], [dearer, full()])).preempted).toEqual([
      "low pause on a for urgent",
    ]);
  });

  it("sets aside what VMs gave up for the VM that they gave way to", () => {
    const releasing = chassis("a", 10, { released: 45 });
    const all = [waitingVm("urgent", 50, 3), waitingVm("small", 10, 1)];
    expect(outcomeOf(settle(all, [releasing])).placed, "5 are left over").toEqual([]);
    expect(
      outcomeOf(settle([waitingVm("urgent", 50, 3), waitingVm("tiny", 5, 1)], [releasing])).placed,
    ).toEqual(["tiny on a"]);
    expect(outcomeOf(settle(all, [releasing], [preempted("low", 10, 1)])).reinstated).toEqual([]);
    expect(
      outcomeOf(settle([waitingVm("urgent", 95, 3), waitingVm("small", 10, 1)], [full()])),
      "also in the round that preempts",
    ).toMatchObject({ placed: [] });
  });

  it("preempts no VM when pending releases make enough room", () => {
    const releasing = chassis("a", 10, { released: 45, holders: [held("low", 1, 45)] });
    expect(outcomeOf(settle([waitingVm("urgent", 50, 3)], [releasing])).preempted).toEqual([]);
  });

  it("preempts each VM at most once, and searches for the next VM in what is left", () => {
    const holders = [held("low-1", 1, 40), held("low-2", 1, 40)];
    const all = [waitingVm("first", 40, 4), waitingVm("second", 40, 3), waitingVm("third", 40, 2)];
    const { preempted } = outcomeOf(settle(all, [chassis("a", 0, { holders })]));
    expect(preempted).toHaveLength(2);
    expect(preempted.join()).toMatch(/for first.*for second/);
    expect(new Set(preempted.map((one) => one.split(" ")[0])).size).toBe(2);
  });

  it("reinstates by priority and age: after VMs of higher priority that can use the room, before new VMs of its own", () => {
    const free = [chassis("a", 50)];
    expect(outcomeOf(settle([], free, [preempted("x", 30, 1), preempted("y", 30, 2)])).reinstated).toEqual([
      "y",
    ]);
    expect(outcomeOf(settle([waitingVm("new", 30, 1)], free, [preempted("x", 30, 1)]))).toMatchObject({
      placed: [],
      reinstated: ["x"],
    });
    expect(outcomeOf(settle([waitingVm("urgent", 30, 2)], free, [preempted("x", 30, 1)]))).toMatchObject({
      placed: ["urgent on a"],
      reinstated: [],
    });
    expect(
      outcomeOf(settle([waitingVm("large", 90, 5)], free, [preempted("x", 30, 1)])).reinstated,
      "a VM that does not fit holds up no other",
    ).toEqual(["x"]);
    expect(outcomeOf(settle([], free, [preempted("x", 51, 1)])).reinstated, "all or nothing").toEqual([]);
  });

  it("does not reinstate a VM that it preempts again", () => {
    const holders = [held("low", 1, 90)];
    const { reinstated } = outcomeOf(
      settle([waitingVm("urgent", 50, 3)], [chassis("a", 10, { holders })], [preempted("low", 1, 1)]),
    );
    expect(reinstated).toEqual([]);
  });
});

describe("any set of claims", () => {
  const anyVm = fc.record({
    n: fc.integer({ min: 1, max: 60 }),
    p: fc.integer({ min: 1, max: 5 }),
    t: fc.nat(3),
  });
  const anyRoom = fc.record({
    free: fc.nat(40),
    released: fc.nat(40),
    holders: fc.array(anyVm, { maxLength: 5 }),
  });
  const anyPreempted = fc.record({ n: fc.nat(30), p: fc.integer({ min: 1, max: 5 }), at: fc.nat(2) });

  it("gets each unit of room once, and no VM gives way to an equal or lower priority", () => {
    fc.assert(
      fc.property(
        fc.array(anyVm, { maxLength: 8 }),
        fc.array(anyRoom, { minLength: 1, maxLength: 3 }),
        fc.array(anyPreempted, { maxLength: 3 }),
        (vms, rooms, drawn) => {
          const waiting = vms.map(({ n, p, t }, i) => waitingVm(`w-${i}`, n, p, t));
          const all = rooms.map(({ free, released, holders }, i) =>
            chassis(`c-${i}`, free, {
              released,
              holders: holders.map(({ n, p }, j) => held(`h-${i}-${j}`, p, n)),
            }),
          );
          const preemptedVms = drawn.map(({ n, p, at }, i) => preempted(`s-${i}`, n, p, `c-${at}`));
          const settled = settle(waiting, all, preemptedVms);
          for (const { chassisId, room, pendingRelease } of all) {
            const here = <T extends { chassisId: string }>(list: readonly T[]) =>
              list.filter((one) => one.chassisId === chassisId);
            const taken = sum([
              ...here(settled.placements).map(({ vm }) => vm.request),
              ...here(settled.reinstatements).map(({ missing }) => missing),
            ]);
            expect(
              amountOf(taken, "ribosomes"),
              "placements use only what is free at present",
            ).toBeLessThanOrEqual(amountOf(room.free, "ribosomes"));
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
          const again = settle([...waiting].reverse(), [...all].reverse(), [...preemptedVms].reverse());
          expect(outcomeOf(again)).toEqual(outcomeOf(settled));
        },
      ),
      { numRuns: 500 },
    );
  });
});
