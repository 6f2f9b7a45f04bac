/**
 * Quotas: what is charged never exceeds a limit that holds, and is what the ledgers hold once all is settled.
 */
import {
  chargedAmounts,
  type Ledger,
  ledgerFold,
  type QuotaEvent,
  type QuotaState,
  quotaFold,
} from "@bioxen/contracts";
import { fits } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decideCharge,
  decideEnforce,
  decideSet,
  decideSettleCharges,
  type KnownWorld,
  openCharges,
  partitionByQuota,
  type QuotaDecision,
  underOldLimits,
} from "./quota.ts";

/** One quota and two ledgers that can be told what happened, on one log. */
class Story {
  quota: QuotaState = quotaFold.initial;
  seq = 0;
  readonly ledgers = new Map<string, { ledger: Ledger; lastSeq: number }>();

  /** The event that was decided, undefined when there was none. */
  apply(decision: QuotaDecision): QuotaEvent | undefined {
    if (!decision.ok || decision.event === null) return undefined;
    this.seq += 1;
    const at = {
      eventId: `e${this.seq}`,
      correlationId: "c",
      seq: this.seq,
      version: this.seq,
      atMs: this.seq,
    };
    this.quota = quotaFold.evolve(this.quota, decision.event, at);
    return decision.event;
  }

  /** The ledger of `chassisId` holds this for `vmId` from now on; null: nothing. */
  holds(chassisId: string, vmId: string, ribosomes: number | null): void {
    this.seq += 1;
    const entries = { ...this.ledger(chassisId).ledger.entries };
    if (ribosomes === null) delete entries[vmId];
    else {
      const fence = entries[vmId]?.fence ?? this.seq;
      entries[vmId] = {
        vmId,
        incarnation: 1,
        fence,
        reservedBy: "e",
        amounts: { ribosomes },
        amountsSeq: this.seq,
        phase: "committed",
        expiresAtMs: null,
      };
    }
    this.ledgers.set(chassisId, {
      ledger: { ...ledgerFold.initial, open: true, entries },
      lastSeq: this.seq,
    });
  }

  ledger(chassisId: string) {
    return this.ledgers.get(chassisId) ?? { ledger: ledgerFold.initial, lastSeq: 0 };
  }

  get world(): KnownWorld {
    const holders = [...this.ledgers].flatMap(([chassisId, { ledger }]) =>
      Object.values(ledger.entries).map(({ vmId, incarnation }) => ({ vmId, incarnation, chassisId })),
    );
    return { ledger: (chassisId) => this.ledger(chassisId), holders: () => holders };
  }

  charge(chassisId: string, vmId: string, ribosomes: number): QuotaEvent | undefined {
    const requests = [{ vmId, incarnation: 1, amounts: { ribosomes } }];
    return this.apply(
      decideCharge(this.quota, this.world, chassisId, this.ledger(chassisId).lastSeq, requests),
    );
  }

  set(ribosomes: number): void {
    this.apply(decideSet(this.quota, "team", { ribosomes }));
  }

  get charged(): number {
    return this.quota.exists ? (chargedAmounts(this.quota)["ribosomes"] ?? 0) : 0;
  }

  static enforced(ribosomes: number): Story {
    const story = new Story();
    story.set(ribosomes);
    story.apply(decideEnforce(story.quota, story.world));
    return story;
  }
}

describe("a quota", () => {
  it("gives what is left to whoever charges first, over all chassis", () => {
    const story = Story.enforced(100);
    expect(story.charge("c", "a", 60)?.type).toBe("bioxen.quota.charged.v1");
    expect(story.charge("d", "b", 41)).toBeUndefined();
    expect(story.charge("d", "b", 40)).toBeDefined();
    expect(story.charged).toBe(100);
  });

  it("says which resource, how much was asked and how much is left", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    if (!story.quota.exists) throw new Error("it was set");
    const requests = [{ vmId: "b", incarnation: 1, amounts: { ribosomes: 41, dnaKilobases: 9 } }];
    expect(partitionByQuota(story.quota, story.world, "d", 0, requests)).toMatchObject({
      charged: [],
      refused: [
        { misfit: { code: "QUOTA_EXCEEDED", resource: "ribosomes", requested: 41, free: 40 }, vmId: "b" },
      ],
    });
  });

  it("a charge that was not used is given back as soon as its ledger has moved on, not before", () => {
    const story = Story.enforced(100);
    story.holds("c", "other", 1);
    story.charge("c", "a", 60);
    expect(story.apply(decideSettleCharges(story.quota, story.world))).toBeUndefined();
    expect(story.quota.exists && openCharges(story.quota, story.world)).toHaveLength(1);
    story.holds("c", "other", 2);
    story.apply(decideSettleCharges(story.quota, story.world));
    expect(story.charged).toBe(0);
  });

  it("what was released, or shrunk, is given back", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.holds("c", "a", 60);
    expect(story.apply(decideSettleCharges(story.quota, story.world))).toBeUndefined();
    story.holds("c", "a", 20);
    story.apply(decideSettleCharges(story.quota, story.world));
    expect(story.charged).toBe(20);
    story.holds("c", "a", null);
    story.apply(decideSettleCharges(story.quota, story.world));
    expect(story.charged).toBe(0);
  });

  it("two that charge for the same VM on the same state of a ledger hold the larger of both", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.charge("c", "a", 40);
    expect(story.charged).toBe(60);
    expect(story.charge("c", "a", 101)).toBeUndefined();
  });

  it("who charges for a state of the ledger that another has passed is told so", () => {
    const story = Story.enforced(100);
    story.holds("c", "other", 1);
    story.charge("c", "a", 10);
    const requests = [{ vmId: "a", incarnation: 1, amounts: { ribosomes: 20 } }];
    expect(decideCharge(story.quota, story.world, "c", 0, requests)).toMatchObject({ event: null });
  });

  it("takes nothing away when it is lowered, lets nobody grow, and lets everybody shrink", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.holds("c", "a", 60);
    story.set(10);
    story.apply(decideEnforce(story.quota, story.world));
    expect(story.charged).toBe(60);
    expect(story.charge("c", "a", 61)).toBeUndefined();
    expect(story.charge("d", "b", 1)).toBeUndefined();
    expect(story.charge("c", "a", 30)).toBeDefined();
  });

  it("lowered below what a VM holds, lets it move, and lets it not come back once it has given up its place", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.holds("c", "a", 60);
    story.set(0);
    story.apply(decideEnforce(story.quota, story.world));
    expect(story.charge("d", "a", 60), "it takes nothing more").toBeDefined();
    expect(story.charge("d", "a", 61)).toBeUndefined();
    story.holds("d", "other", 1);
    story.holds("c", "a", null);
    expect(story.charged, "not settled yet").toBe(60);
    expect(story.charge("c", "a", 60)).toBeUndefined();
    expect(story.charge("e", "a", 60)).toBeUndefined();
  });

  it("holds, when it is lowered, once what was charged before is used or void", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.set(10);
    expect(story.quota).toMatchObject({ enforced: false });
    expect(story.quota.exists && underOldLimits(story.quota, story.world)).toHaveLength(1);
    expect(story.apply(decideEnforce(story.quota, story.world))).toBeUndefined();
    story.holds("c", "other", 1);
    story.apply(decideEnforce(story.quota, story.world));
    expect(story.quota).toMatchObject({ enforced: true });
    story.set(20);
    expect(story.quota, "raised it holds at once").toMatchObject({ enforced: true });
  });

  it("counts what was held before it was set", () => {
    const story = new Story();
    story.holds("c", "a", 60);
    story.set(50);
    story.holds("c", "a", 70);
    story.apply(decideEnforce(story.quota, story.world));
    expect(story.charged).toBe(70);
    expect(story.charge("d", "b", 1)).toBeUndefined();
  });

  it("counts a VM that moves once, with the most it holds on either chassis", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.holds("c", "a", 60);
    story.charge("d", "a", 80);
    story.holds("d", "a", 80);
    expect(story.charged).toBe(80);
    expect(story.charge("d", "b", 21)).toBeUndefined();
    expect(story.charge("e", "a", 101), "not even by moving").toBeUndefined();
    expect(story.charge("d", "b", 20)).toBeDefined();
    story.holds("d", "b", 20);
    story.holds("d", "a", null);
    story.apply(decideSettleCharges(story.quota, story.world));
    expect(story.charged, "it stays with what it has there").toBe(80);
  });

  it("counts the next life of a VM beside what its last one still holds", () => {
    const story = Story.enforced(100);
    story.charge("c", "a", 60);
    story.holds("c", "a", 60);
    const next = (ribosomes: number, chassisId: string) =>
      decideCharge(story.quota, story.world, chassisId, story.ledger(chassisId).lastSeq, [
        { vmId: "a", incarnation: 2, amounts: { ribosomes } },
      ]);
    expect(next(41, "d")).toMatchObject({ event: null });
    expect(next(40, "d")).toMatchObject({ event: { type: "bioxen.quota.charged.v1" } });
    expect(next(100, "c"), "where it takes the old one's place").toMatchObject({ ok: true });
  });

  it("holds, when it is new, once what was charged before everything was counted is used or void", () => {
    const story = new Story();
    story.holds("c", "a", 60);
    story.set(50);
    story.holds("c", "a", 60);
    story.charge("c", "b", 1);
    expect(story.apply(decideEnforce(story.quota, story.world))).toBeUndefined();
    story.holds("c", "b", 1);
    expect(story.apply(decideEnforce(story.quota, story.world))?.type).toBe("bioxen.quota.enforced.v1");
    expect(story.charged).toBe(61);
  });

  it("without limits refuses nothing, and a limit of 0 is one", () => {
    const story = Story.enforced(0);
    expect(story.charge("c", "a", 1)).toBeUndefined();
    story.apply(decideSet(story.quota, "team", {}));
    expect(story.charge("c", "a", 1_000)).toBeDefined();
  });
});

describe("whatever happens", () => {
  it("growing never leads above a limit that was set last, and settled charges are what is held", () => {
    const step = fc.record({
      kind: fc.constantFrom("reserve", "reserve", "release", "set", "abandon", "settle"),
      chassis: fc.constantFrom("c", "d", "e"),
      vm: fc.constantFrom("a", "b", "f"),
      amount: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const story = Story.enforced(100);
        for (const { kind, chassis, vm, amount } of steps) {
          const before = story.charged;
          if (kind === "reserve" && story.charge(chassis, vm, amount) !== undefined) {
            const { quota } = story;
            const isAbove = quota.exists && !fits(chargedAmounts(quota), quota.resources);
            expect(isAbove && story.charged > before).toBe(false);
            story.holds(chassis, vm, amount);
          }
          if (kind === "abandon") story.charge(chassis, `${vm}-never`, amount);
          if (kind === "release") story.holds(chassis, vm, null);
          if (kind === "set") story.set(amount * 3);
          if (kind === "settle") story.apply(decideSettleCharges(story.quota, story.world));
        }
        for (const chassis of ["c", "d", "e"]) story.holds(chassis, "other", null);
        story.apply(decideSettleCharges(story.quota, story.world));
        const held = [...story.ledgers.values()].flatMap(({ ledger }) => Object.values(ledger.entries));
        const mostOf = (vmId: string) =>
          Math.max(0, ...held.filter((e) => e.vmId === vmId).map((e) => e.amounts["ribosomes"] ?? 0));
        expect(story.charged).toBe(mostOf("a") + mostOf("b") + mostOf("f"));
      }),
    );
  });
});
