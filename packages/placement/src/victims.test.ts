/**
 * The choice of victims is sufficient, minimal and as mild as possible: examples, and properties over random chassis.
 */
import { PREEMPTION_MODES, type PreemptionMode, roomFor } from "@bioxen/contracts";
import { type Amounts, sum } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Concession, chooseVictims, type Holder, type Victim } from "./victims.ts";

/**
 * A VM that holds these amounts. Starved it frees `spare` ribosomes, paused all ribosomes, evicted everything and its
 * place.
 */
function holder(
  vmId: string,
  priority: number,
  ribosomes: number,
  more: { spare?: number; kilobases?: number; sinceMs?: number } = {},
): Holder {
  const { spare = 0, kilobases = 1, sinceMs = 0 } = more;
  const concessions: Concession[] = [
    ...(spare > 0 ? [{ mode: "starve", frees: { ribosomes: spare }, places: 0 } as const] : []),
    ...(ribosomes > 0 ? [{ mode: "pause", frees: { ribosomes }, places: 0 } as const] : []),
    { mode: "evict", frees: { ribosomes, kilobases }, places: 1 },
  ];
  return { vmId, fence: 9, priority, sinceMs, concessions };
}

const room = (ribosomes: number, kilobases = 0, placesLeft = 5) => ({
  free: { ribosomes, kilobases },
  placesLeft,
});
const inWords = (victims: readonly Victim[] | undefined) =>
  victims?.map(({ vmId, mode }) => `${vmId}: ${mode}`);

describe("victims", () => {
  it("are starved before a VM is paused, and paused before a VM is evicted", () => {
    const holders = [holder("a", 1, 50, { spare: 10 }), holder("b", 3, 50, { spare: 10 })];
    expect(inWords(chooseVictims({ ribosomes: 15 }, room(0), holders))).toEqual(["a: starve", "b: starve"]);
    expect(inWords(chooseVictims({ ribosomes: 30 }, room(0), holders))).toEqual(["a: pause"]);
    expect(inWords(chooseVictims({ ribosomes: 60 }, room(0), holders))).toEqual(["a: pause", "b: starve"]);
    expect(inWords(chooseVictims({ kilobases: 1 }, room(0), holders))).toEqual(["a: evict"]);
    expect(inWords(chooseVictims({ kilobases: 2 }, room(0), holders))).toEqual(["a: evict", "b: evict"]);
    expect(chooseVictims({ kilobases: 3 }, room(0), holders)).toBeUndefined();
  });

  it("have the lowest priority, then the least number, then the youngest age", () => {
    const low = [holder("a", 2, 50), holder("b", 1, 50), holder("c", 1, 20)];
    expect(inWords(chooseVictims({ ribosomes: 50 }, room(0), low))).toEqual(["b: pause"]);
    expect(inWords(chooseVictims({ ribosomes: 15 }, room(0), low)), "the small VM suffices").toEqual([
      "c: pause",
    ]);
    const equal = [holder("old", 1, 50, { sinceMs: 1 }), holder("young", 1, 50, { sinceMs: 2 })];
    expect(inWords(chooseVictims({ ribosomes: 50 }, room(0), equal))).toEqual(["young: pause"]);
  });

  it("are evicted when places for VMs are missing", () => {
    const holders = [holder("a", 1, 50, { spare: 50 }), holder("b", 1, 5)];
    expect(inWords(chooseVictims({ ribosomes: 1 }, room(9, 0, 0), holders))).toEqual(["a: evict"]);
  });

  it("are none when the room suffices", () => {
    expect(chooseVictims({ ribosomes: 1 }, room(1), [holder("a", 1, 50)])).toEqual([]);
  });
});

const anyHolder = fc.record({
  priority: fc.integer({ min: 1, max: 4 }),
  ribosomes: fc.nat(40),
  spare: fc.nat(20),
  kilobases: fc.nat(9),
  sinceMs: fc.nat(3),
});
const anyCase = fc.record({
  holders: fc.array(anyHolder, { maxLength: 9 }),
  free: fc.record({ ribosomes: fc.nat(30), kilobases: fc.nat(5) }),
  placesLeft: fc.nat(2),
  request: fc.record({ ribosomes: fc.nat(90), kilobases: fc.nat(25) }),
});
type Case = typeof anyCase extends fc.Arbitrary<infer T> ? T : never;

const holdersOf = ({ holders }: Case) =>
  holders.map(({ priority, ribosomes, spare, ...more }, i) =>
    holder(`vm-${i}`, priority, ribosomes, { spare: Math.min(spare, ribosomes), ...more }),
  );

/** True when these concessions make the request fit, by the feasibility rule. */
function suffices({ request, free, placesLeft }: Case, given: readonly Concession[]): boolean {
  const places = given.reduce((n, one) => n + one.places, placesLeft);
  return (
    roomFor(request, {
      free: sum([free as Amounts, ...given.map((one) => one.frees)]),
      placesLeft: places,
    }) === undefined
  );
}

const rank = (mode: PreemptionMode) => PREEMPTION_MODES.indexOf(mode);
const upTo = (hardest: number, holders: readonly Holder[]) =>
  holders.flatMap(({ concessions }) => concessions.findLast(({ mode }) => rank(mode) <= hardest) ?? []);

/** Checks `property` on random cases. `chosen` has the holder and the concession of each victim. */
function always(
  property: (one: Case, holders: Holder[], chosen: { holder: Holder; given: Concession }[]) => void,
): void {
  fc.assert(
    fc.property(anyCase, (one) => {
      const holders = holdersOf(one);
      const victims = chooseVictims(one.request, { free: one.free, placesLeft: one.placesLeft }, holders);
      if (victims === undefined) {
        expect(suffices(one, upTo(2, holders)), "all holders together do not suffice").toBe(false);
        return;
      }
      const chosen = victims.map(({ vmId, mode }) => {
        const from = holders.find((candidate) => candidate.vmId === vmId);
        const given = from?.concessions.find((concession) => concession.mode === mode);
        if (from === undefined || given === undefined) throw new Error(`${vmId} cannot ${mode}`);
        return { holder: from, given };
      });
      property(one, holders, chosen);
    }),
    { numRuns: 2_000 },
  );
}

describe("any choice of victims", () => {
  it("frees enough", () => {
    always((one, _holders, chosen) =>
      expect(
        suffices(
          one,
          chosen.map(({ given }) => given),
        ),
      ).toBe(true),
    );
  });

  it("has no victim that could be left out or treated more mildly", () => {
    always((one, _holders, chosen) => {
      for (const { holder: victim, given } of chosen) {
        const others = chosen.filter(({ holder: other }) => other !== victim).map((other) => other.given);
        expect(suffices(one, others)).toBe(false);
        for (const milder of victim.concessions.slice(0, victim.concessions.indexOf(given))) {
          expect(suffices(one, [...others, milder])).toBe(false);
        }
      }
    });
  });

  it("uses no harder mode than all holders together would need", () => {
    always((one, holders, chosen) => {
      const hardest = Math.max(0, ...chosen.map(({ given }) => rank(given.mode)));
      if (hardest > 0) expect(suffices(one, upTo(hardest - 1, holders))).toBe(false);
    });
  });

  it("has no victim of a higher priority than that mode needs", () => {
    always((one, holders, chosen) => {
      const highest = Math.max(0, ...chosen.map(({ holder: victim }) => victim.priority));
      const mildest = PREEMPTION_MODES.findIndex((_mode, i) => suffices(one, upTo(i, holders)));
      const lower = holders.filter(({ priority }) => priority < highest);
      if (highest > 0) expect(suffices(one, upTo(mildest, lower))).toBe(false);
    });
  });

  it("does not depend on the order of the holders", () => {
    always((one, holders, chosen) => {
      const again = chooseVictims(
        one.request,
        { free: one.free, placesLeft: one.placesLeft },
        [...holders].reverse(),
      );
      expect(again?.map(({ vmId }) => vmId)).toEqual(chosen.map(({ holder: victim }) => victim.vmId));
    });
  });
});
