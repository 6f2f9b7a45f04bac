import { type Chassis, MAX_REBALANCE_MOVES } from "@bioxen/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COOL_DOWN_MS, planRebalance, type Resident, type ResidentRoom } from "./rebalance.ts";
import type { WaitingVm } from "./snapshot.ts";

const NOW_MS = 10 * COOL_DOWN_MS;

function resident(
  vmId: string,
  ribosomes: number,
  more: Partial<Resident> & { placement?: object } = {},
): Resident {
  const { placement = {}, ...rest } = more;
  const vm = {
    vmId,
    incarnation: 1,
    vmType: "basic",
    labels: {},
    placement,
    request: { ribosomes },
    priority: 1,
    waitingSinceMs: 0,
  };
  return { vm: vm as unknown as WaitingVm, placedAtMs: 0, isMovable: true, ...rest };
}

function chassis(
  chassisId: string,
  residents: readonly Resident[],
  more: Partial<ResidentRoom> = {},
): ResidentRoom {
  const used = residents.reduce((sum, { vm }) => sum + (vm.request["ribosomes"] ?? 0), 0);
  return {
    chassisId,
    chassis: { registered: true, chassisType: "ecoli", capacity: {}, cordoned: false } as Chassis,
    offered: { ribosomes: 100 },
    room: { free: { ribosomes: 100 - used }, placesLeft: 10 - residents.length },
    residents,
    ...more,
  };
}

const rebalance = (rooms: ResidentRoom[], policy: "bin-pack" | "spread", maxMoves?: number) =>
  planRebalance(rooms, { policy, nowMs: NOW_MS, ...(maxMoves === undefined ? {} : { maxMoves }) });
const moves = (...args: Parameters<typeof rebalance>) =>
  rebalance(...args).moves.map(
    ({ vmId, fromChassisId, toChassisId }) => `${vmId}: ${fromChassisId} → ${toChassisId}`,
  );

describe("packing", () => {
  const spare = () => [
    chassis("a", [resident("x", 60, { isMovable: false })]),
    chassis("b", [resident("y", 20), resident("z", 10)]),
    chassis("c", []),
  ];

  it("empties the emptiest chassis onto others in use, with the reason", () => {
    const { moves: planned, before, after } = rebalance(spare(), "bin-pack");
    expect(planned.map(({ vmId, toChassisId }) => [vmId, toChassisId])).toEqual([
      ["y", "a"],
      ["z", "a"],
    ]);
    expect(planned[0]?.reason).toBe("b can be emptied: all of its 2 VMs fit on other chassis in use");
    expect([before.used, after.used]).toEqual([2, 1]);
  });

  it("begins no chassis that it cannot empty", () => {
    expect(
      moves(
        [
          chassis("a", [resident("x", 80, { isMovable: false })]),
          chassis("b", [resident("y", 20), resident("z", 10)]),
        ],
        "bin-pack",
      ),
    ).toEqual([]);
    expect(moves(spare(), "bin-pack", 1)).toEqual([]);
    const fixed = chassis("b", [resident("y", 20), resident("z", 10, { isMovable: false })]);
    expect(moves([chassis("a", [resident("x", 60, { isMovable: false })]), fixed], "bin-pack")).toEqual([]);
  });

  it("leaves VMs that were placed recently, name another policy, or are bound to their chassis", () => {
    const recent = chassis("b", [resident("y", 20, { placedAtMs: NOW_MS - COOL_DOWN_MS + 1 })]);
    const { moves: planned, coolingDown } = rebalance(
      [chassis("a", [resident("x", 60, { isMovable: false })]), recent],
      "bin-pack",
    );
    expect([planned.length, coolingDown]).toEqual([0, 1]);
    const otherPolicy = chassis("b", [resident("y", 20, { placement: { policy: "spread" } })]);
    expect(moves([chassis("a", [resident("x", 60, { isMovable: false })]), otherPolicy], "bin-pack")).toEqual(
      [],
    );
    const bound = chassis("b", [resident("y", 20, { placement: { chassisId: "b" } })]);
    expect(moves([chassis("a", [resident("x", 60, { isMovable: false })]), bound], "bin-pack")).toEqual([]);
  });
});

describe("spreading", () => {
  it("moves VMs from the fullest to the emptiest chassis while the gain suffices, and to no closed chassis", () => {
    const full = chassis(
      "a",
      ["v", "w", "x", "y"].map((vmId) => resident(vmId, 20)),
    );
    expect(moves([full, chassis("b", [])], "spread")).toEqual(["v: a → b", "w: a → b"]);
    const closed = { closed: { code: "UNAVAILABLE", message: "is cordoned" } };
    expect(moves([full, chassis("b", [], closed)], "spread")).toEqual([]);
    expect(moves([chassis("a", [resident("x", 4)]), chassis("b", [])], "spread")).toEqual([]);
    expect(rebalance([full, chassis("b", [])], "spread").moves[0]?.reason).toBe(
      "a is 80 % full and b 0 %: the move leaves both at 60 % or less",
    );
  });
});

describe("any cluster", () => {
  const anyRooms = fc.array(
    fc.array(fc.record({ n: fc.integer({ min: 1, max: 30 }), recent: fc.boolean(), fixed: fc.boolean() }), {
      maxLength: 3,
    }),
    { minLength: 1, maxLength: 5 },
  );

  const of = (n: number) => ({ n, recent: false, fixed: false });
  const ONE_BETTER_OFF_TWICE = [[of(5), of(1), { ...of(19), recent: true }], [of(10), of(15)], []];

  it("gets moves that overfill no chassis, respect the cool-down, make no balance worse, and leave nothing to move", () => {
    fc.assert(
      fc.property(anyRooms, fc.constantFrom("bin-pack" as const, "spread" as const), (all, policy) => {
        const rooms = all.map((list, i) =>
          chassis(
            `c-${i}`,
            list.map(({ n, recent, fixed }, j) =>
              resident(`${i}-${j}`, n, { placedAtMs: recent ? NOW_MS : 0, isMovable: !fixed }),
            ),
          ),
        );
        const plan = rebalance(rooms, policy);
        expect(plan.moves.length).toBeLessThanOrEqual(MAX_REBALANCE_MOVES);
        const moved = new Set(plan.moves.map(({ vmId }) => vmId));
        expect(moved.size).toBe(plan.moves.length);
        const residents = new Map(
          rooms.flatMap((room) => room.residents.map((one) => [one.vm.vmId, one] as const)),
        );
        const where = new Map(
          rooms.flatMap((room) => room.residents.map((one) => [one.vm.vmId, room.chassisId] as const)),
        );
        for (const { vmId, fromChassisId, toChassisId } of plan.moves) {
          expect(residents.get(vmId)).toMatchObject({ isMovable: true, placedAtMs: 0 });
          expect(where.get(vmId)).toBe(fromChassisId);
          where.set(vmId, toChassisId);
        }
        const after = rooms.map(({ chassisId }) =>
          chassis(
            chassisId,
            [...residents.values()]
              .filter(({ vm }) => where.get(vm.vmId) === chassisId)
              // A VM that was just moved cools down, so that the second plan leaves it.
              .map((one) => (moved.has(one.vm.vmId) ? { ...one, placedAtMs: NOW_MS } : one)),
          ),
        );
        for (const { room } of after) expect(room.free["ribosomes"]).toBeGreaterThanOrEqual(0);
        expect(plan.after.used).toBeLessThanOrEqual(policy === "bin-pack" ? plan.before.used : rooms.length);
        if (policy === "spread") expect(plan.after.spread).toBeLessThanOrEqual(plan.before.spread);
        if (plan.moves.length < MAX_REBALANCE_MOVES && policy === "spread")
          expect(rebalance(after, policy).moves).toEqual([]);
        expect(rebalance([...rooms].reverse(), policy)).toEqual(plan);
      }),
      { numRuns: 300, examples: [[ONE_BETTER_OFF_TWICE, "spread"]] },
    );
  });
});
