/**
 * The books: nothing is given away twice, whatever is asked, in whatever order.
 */
import {
  type Chassis,
  freeAmounts,
  heldAmounts,
  type Ledger,
  type LedgerEntry,
  type LedgerEvent,
  ledgerFold,
  NEVER_LOST,
  type VmState,
} from "@bioxen/contracts";
import { fits } from "@bioxen/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decideFollowChassis,
  decideFollowPreemption,
  decideReserve,
  decideResize,
  decideSettle,
  EXPIRY_GRACE_MS,
  type LedgerDecision,
  nextExpiryAtMs,
  partitionByFit,
} from "./ledger.ts";
import { verdictOf } from "./verdict.ts";

const CHASSIS: Chassis = {
  registered: true,
  chassisType: "ecoli",
  capacity: { dnaKilobases: 100, ribosomes: 100 },
  overheadPermille: 100,
  maxVms: 5,
  labels: {},
  agentId: "a",
  cordoned: false,
  ...NEVER_LOST,
  registeredAtMs: 0,
  version: 1,
};
const EXPIRES_AT_MS = 1_000;
const PLAN = { planId: "p", expiresAtMs: EXPIRES_AT_MS };

/** A ledger that can be told what happened. */
class Books {
  ledger: Ledger = ledgerFold.initial;
  #seq = 0;

  apply(decision: LedgerDecision): boolean {
    if (!decision.ok || decision.event === null) return false;
    this.#seq += 1;
    const at = { eventId: `e${this.#seq}`, correlationId: "c", seq: this.#seq, version: this.#seq, atMs: 0 };
    this.ledger = ledgerFold.evolve(this.ledger, decision.event as LedgerEvent, at);
    return true;
  }

  reserve(...wanted: [vmId: string, ribosomes: number][]): string[] {
    const proposed = wanted.map(([vmId, ribosomes]) => ({ vmId, incarnation: 1, amounts: { ribosomes } }));
    const { fit } = partitionByFit("c", this.ledger, proposed);
    this.apply(decideReserve("c", this.ledger, { ...PLAN, reservations: proposed }));
    return fit.map((one) => one.vmId);
  }

  static open(): Books {
    const books = new Books();
    books.apply(decideFollowChassis(books.ledger, CHASSIS));
    return books;
  }
}

describe("reserving", () => {
  it("takes what fits together, in the plan's order, and refuses the rest with numbers", () => {
    const books = Books.open();
    expect(books.ledger.offered).toEqual({ dnaKilobases: 90, ribosomes: 90 });
    expect(books.reserve(["a", 50], ["b", 50], ["c", 40])).toEqual(["a", "c"]);
    expect(freeAmounts(books.ledger)).toMatchObject({ ribosomes: 0 });
    const { refused } = partitionByFit("c", books.ledger, [
      { vmId: "d", incarnation: 1, amounts: { ribosomes: 1 } },
    ]);
    expect(refused[0]?.misfit).toMatchObject({ code: "CAPACITY_EXCEEDED", requested: 1, free: 0 });
    expect(books.reserve(["a", 0])).toEqual([]);
  });

  it("has no more places than it has", () => {
    const books = Books.open();
    const wanted = ["a", "b", "c", "d", "e", "f"].map((vmId): [string, number] => [vmId, 1]);
    expect(books.reserve(...wanted)).toHaveLength(5);
  });

  it("a proposer that was succeeded reserves nothing, in any ledger that has heard of it", () => {
    const books = Books.open();
    const reservations = [{ vmId: "a", incarnation: 1, amounts: { ribosomes: 1 } }];
    const propose = (vmId: string, proposerToken?: number, newestHeard?: number) => {
      const one = reservations.map((reservation) => ({ ...reservation, vmId }));
      return decideReserve("c", books.ledger, { ...PLAN, reservations: one, proposerToken }, newestHeard);
    };
    const refused = (newestToken: number) => ({
      ok: false,
      rejection: { code: "CONFLICT", retryable: false, details: { newestToken } },
    });
    expect(books.apply(propose("older-caller")), "no lease was ever seen").toBe(true);
    expect(books.apply(propose("a", 7))).toBe(true);
    expect(propose("b", 6)).toMatchObject(refused(7));
    expect(propose("b")).toMatchObject(refused(7));
    expect(propose("b", 7, 8)).toMatchObject(refused(8));
    expect(books.apply(propose("b", 7))).toBe(true);
    expect(books.apply(propose("c", 9))).toBe(true);
    const keys = ["older-caller", "a", "b", "c"].map((vmId) => ({
      vmId,
      fence: books.ledger.entries[vmId]?.fence ?? 0,
    }));
    const released: LedgerEvent = {
      type: "bioxen.ledger.released.v1",
      data: { entries: keys, reason: "test" },
    };
    books.apply({ ok: true, event: released });
    expect(books.apply(decideFollowChassis(books.ledger, null)), "it closes").toBe(true);
    books.apply(decideFollowChassis(books.ledger, CHASSIS));
    expect(propose("d", 8), "closed and opened again it still knows").toMatchObject(refused(9));
  });

  it("a ledger that is not open takes nobody", () => {
    expect(new Books().reserve(["a", 0])).toEqual([]);
  });
});

describe("changing", () => {
  it("a resize is all or nothing, beside what the others hold", () => {
    const books = Books.open();
    books.reserve(["a", 40], ["b", 40]);
    const fence = books.ledger.entries["a"]?.fence ?? 0;
    expect(decideResize("c", books.ledger, "a", fence, { ribosomes: 51 })).toMatchObject({
      ok: false,
      rejection: { code: "CAPACITY_EXCEEDED", details: { resource: "ribosomes", requested: 51, free: 50 } },
    });
    expect(books.apply(decideResize("c", books.ledger, "a", fence, { ribosomes: 50 }))).toBe(true);
    expect(decideResize("c", books.ledger, "a", fence + 1, { ribosomes: 1 })).toMatchObject({
      rejection: { code: "CONFLICT" },
    });
  });

  it("an offer that shrinks follows what is held down, and is never below it", () => {
    const books = Books.open();
    books.reserve(["a", 40], ["b", 40]);
    const smaller = { ...CHASSIS, capacity: { ribosomes: 50, dnaKilobases: 100 }, maxVms: 1 };
    books.apply(decideFollowChassis(books.ledger, smaller));
    expect(books.ledger).toMatchObject({ offered: { ribosomes: 80 }, maxVms: 2 });
    expect(books.reserve(["c", 1])).toEqual([]);
    books.apply(decideSettle(books.ledger, (e) => (e.vmId === "a" ? "release" : "keep"), 0));
    books.apply(decideFollowChassis(books.ledger, smaller));
    expect(books.ledger).toMatchObject({ offered: { ribosomes: 45 }, maxVms: 1 });
    expect(decideFollowChassis(books.ledger, smaller)).toMatchObject({ event: null });
  });

  it("an offer may be more than there is, where the chassis says so, and follows it back down", () => {
    const books = Books.open();
    const oversubscribed = { ...CHASSIS, oversubscribePermille: { ribosomes: 1_555 } };
    books.apply(decideFollowChassis(books.ledger, oversubscribed));
    expect(books.ledger).toMatchObject({
      offered: { ribosomes: 139, dnaKilobases: 90 },
      oversubscribePermille: { ribosomes: 1_555 },
    });
    expect(books.reserve(["a", 100], ["b", 39], ["c", 1])).toEqual(["a", "b"]);
    books.apply(decideFollowChassis(books.ledger, CHASSIS));
    expect(books.ledger).toMatchObject({ offered: { ribosomes: 139 } });
    expect(books.ledger.oversubscribePermille).toBeUndefined();
  });

  it("closes once it is empty and its chassis is gone", () => {
    const books = Books.open();
    books.reserve(["a", 1]);
    expect(books.apply(decideFollowChassis(books.ledger, null))).toBe(false);
    books.apply(decideSettle(books.ledger, () => "release", 0));
    expect(books.apply(decideFollowChassis(books.ledger, null))).toBe(true);
    expect(books.ledger.open).toBe(false);
  });
});

describe("settling", () => {
  it("a reservation nobody took expires, after its grace; one that is confirmed or taken never", () => {
    const books = Books.open();
    books.reserve(["a", 1], ["b", 1], ["c", 1]);
    const verdict = ({ vmId }: LedgerEntry) => (vmId === "a" ? "commit" : vmId === "b" ? "keep" : "hold");
    books.apply(decideSettle(books.ledger, verdict, 0));
    const dueAtMs = EXPIRES_AT_MS + EXPIRY_GRACE_MS;
    expect(nextExpiryAtMs(books.ledger, verdict)).toBe(dueAtMs);
    expect(decideSettle(books.ledger, verdict, dueAtMs - 1)).toMatchObject({ event: null });
    books.apply(decideSettle(books.ledger, verdict, dueAtMs));
    expect(Object.keys(books.ledger.entries)).toEqual(["a", "c"]);
    expect(nextExpiryAtMs(books.ledger, verdict)).toBeUndefined();
    expect(decideSettle(books.ledger, verdict, dueAtMs + 1e9)).toMatchObject({ event: null });
  });

  const entry = {
    vmId: "a",
    incarnation: 1,
    fence: 9,
    reservedBy: "e",
    amounts: {},
    amountsSeq: 9,
    phase: "reserved",
    expiresAtMs: 0,
  } as const;
  const vm = (state: string, more: object = {}) =>
    ({ exists: true, incarnation: 1, state, fence: null, lastFence: 0, migration: null, ...more }) as VmState;
  const MOVES = { migration: { target: null, requestedSeq: 4 }, request: {} };

  it.each<[string, VmState, string]>([
    ["waits for it", vm("pending", { pendingSinceSeq: 8 }), "keep"],
    ["had it and lost it", vm("pending", { lastFence: 9, pendingSinceSeq: 10 }), "release"],
    ["waits again, after a wait that ended without it", vm("pending", { pendingSinceSeq: 10 }), "release"],
    ["starts on it", vm("starting", { fence: 9 }), "hold"],
    ["runs on it", vm("running", { fence: 9 }), "commit"],
    ["is paused on it", vm("paused", { fence: 9 }), "commit"],
    ["runs on another", vm("running", { fence: 12 }), "release"],
    ["is stopping on it", vm("stopping", { fence: 9 }), "hold"],
    ["has stopped", vm("stopped", { lastFence: 9 }), "release"],
    ["failed", vm("error"), "release"],
    ["is destroyed", vm("destroyed"), "release"],
    ["lives another life", vm("pending", { incarnation: 2, pendingSinceSeq: 8 }), "release"],
    ["never was", { exists: false }, "release"],
    ["is to move to it", vm("running", { ...MOVES, fence: 3, lastFence: 3 }), "keep"],
    [
      "is to move and asks for something else by now",
      vm("running", { ...MOVES, fence: 3, lastFence: 3, request: { ribosomes: 9 } }),
      "release",
    ],
    [
      "had it for a move that was cancelled, and is to move again",
      vm("running", { ...MOVES, migration: { target: null, requestedSeq: 12 }, fence: 3, lastFence: 3 }),
      "release",
    ],
    [
      "is being moved to it",
      vm("paused", { fence: 3, lastFence: 9, migration: { target: { fence: 9 } } }),
      "keep",
    ],
    [
      "is being moved to another place",
      vm("running", { fence: 3, lastFence: 12, migration: { target: { fence: 12 } } }),
      "release",
    ],
    ["runs on it and is to move", vm("running", { ...MOVES, fence: 9, lastFence: 9 }), "commit"],
  ])("a VM that %s", (_what, state, verdict) => {
    expect(verdictOf(entry, state, 100)).toBe(verdict);
    expect(verdictOf(entry, state, 8), "news older than the reservation decide nothing").toBe("keep");
  });
});

describe("a preempted VM's entry", () => {
  const books = Books.open();
  books.reserve(["a", 50], ["b", 30]);
  const reservedSeq = books.ledger.entries["a"]?.fence ?? 0;
  const preempted = (seq: number, ribosomes: number) => (vmId: string) =>
    ({
      exists: vmId === "a",
      fence: reservedSeq,
      allocation: { ribosomes },
      preemption: { active: true, seq },
    }) as VmState;
  const amounts = () => books.ledger.entries["a"]?.amounts;
  const follow = (seq: number, ribosomes: number) =>
    books.apply(decideFollowPreemption(books.ledger, preempted(seq, ribosomes)));

  it("follows it down once, and not again what it was granted since", () => {
    expect(follow(reservedSeq + 0.5, 20)).toBe(true);
    expect(amounts()).toEqual({ ribosomes: 20 });
    expect(follow(reservedSeq + 0.5, 20)).toBe(false);
    books.apply(decideResize("c", books.ledger, "a", reservedSeq, { ribosomes: 50 }));
    expect(follow(reservedSeq + 0.5, 20), "it was granted after the preemption").toBe(false);
    expect(follow(100, 60), "it never grows").toBe(false);
    expect(amounts()).toEqual({ ribosomes: 50 });
  });

  it("of a VM that lives on another place is left alone", () => {
    const elsewhere = (vmId: string) => ({ ...preempted(100, 1)(vmId), fence: 99 }) as VmState;
    expect(decideFollowPreemption(books.ledger, elsewhere)).toEqual({ ok: true, event: null });
  });
});

describe("whatever happens", () => {
  it("held never exceeds the offer, nor VMs their places", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("reserve"), vm: fc.nat(7), amount: fc.nat(60) }),
      fc.record({ kind: fc.constant("release"), vm: fc.nat(7), amount: fc.nat(0) }),
      fc.record({ kind: fc.constant("resize"), vm: fc.nat(7), amount: fc.nat(60) }),
      fc.record({ kind: fc.constant("configure"), vm: fc.nat(7), amount: fc.nat(200) }),
      fc.record({ kind: fc.constant("expire"), vm: fc.nat(7), amount: fc.nat(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const books = Books.open();
        for (const { kind, vm, amount } of steps) {
          const vmId = `vm-${vm}`;
          const fence = books.ledger.entries[vmId]?.fence ?? 1;
          if (kind === "reserve") books.reserve([vmId, amount]);
          if (kind === "release")
            books.apply(decideSettle(books.ledger, (e) => (e.vmId === vmId ? "release" : "keep"), 0));
          if (kind === "resize")
            books.apply(decideResize("c", books.ledger, vmId, fence, { ribosomes: amount }));
          if (kind === "expire") books.apply(decideSettle(books.ledger, () => "keep", 1e9));
          if (kind === "configure") {
            const chassis = { ...CHASSIS, capacity: { ribosomes: amount, dnaKilobases: 100 }, maxVms: vm };
            books.apply(decideFollowChassis(books.ledger, chassis));
          }
          expect(fits(heldAmounts(books.ledger), books.ledger.offered)).toBe(true);
          expect(Object.keys(books.ledger.entries).length).toBeLessThanOrEqual(books.ledger.maxVms);
        }
      }),
    );
  });
});
