/**
 * The rules of a quota: what is charged never exceeds limits that hold, and becomes what the ledgers hold once it is
 * settled.
 */
import { chargedAmounts, type QuotaEvent, type QuotaState } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import { type Given, given } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import {
  charge,
  charged,
  EMPTY,
  ENFORCED,
  enforce,
  ledgersOf,
  requestOf,
  set,
  settle,
  settled,
} from "./quota.testing.ts";
import {
  chargesUnderOldLimits,
  MAX_QUOTAS,
  openCharges,
  partitionByQuota,
  type QuotaCommand,
  quotaDecider,
} from "./quota.ts";

type Quota = Given<QuotaState, QuotaCommand, QuotaEvent>;

const limitedTo100 = given(quotaDecider, set({ ribosomes: 100 }), ENFORCED);
const ribosomesOf = ({ state }: Quota) => (state.exists ? chargedAmounts(state)["ribosomes"] : undefined);

describe("set", () => {
  const command = (resources: Amounts, quotas = 0): QuotaCommand => ({
    type: "set",
    label: "team",
    resources,
    quotas,
  });

  it("appends new limits, and tells a limit of 0 from none", () => {
    given(quotaDecider)
      .when(command({ ribosomes: 0 }))
      .thenAppended(set({ ribosomes: 0 }))
      .when(command({ ribosomes: 0 }))
      .thenUnchanged()
      .when(command({}))
      .thenAppended(set({}));
  });

  it("rejects a quota beyond the highest number, and still changes one that exists", () => {
    given(quotaDecider)
      .when(command({}, MAX_QUOTAS))
      .thenRejected("TOO_LARGE", {
        message: "quota limit reached (1000): change an existing quota",
        details: { limit: MAX_QUOTAS },
      });
    limitedTo100.when(command({ ribosomes: 1 }, MAX_QUOTAS)).thenAppended(set({ ribosomes: 1 }));
  });
});

describe("charge", () => {
  it("gives what is left to the first charge, over all chassis", () => {
    const full = limitedTo100
      .when(charge("c", "a", 60))
      .thenAppended(charged("c", 0, "a", 60))
      .when(charge("d", "b", 41))
      .thenUnchanged()
      .when(charge("d", "b", 40))
      .thenAppended(charged("d", 0, "b", 40));
    expect(ribosomesOf(full)).toBe(100);
  });

  it("refuses a VM with the resource, the requested amount and what is free", () => {
    const { state } = limitedTo100.and(charged("c", 0, "a", 60));
    if (!state.exists) throw new Error("the quota was set");
    const requests = [requestOf("b", { ribosomes: 41, dnaKilobases: 9 }), requestOf("d", { ribosomes: 30 })];
    const misfit = { code: "QUOTA_EXCEEDED", resource: "ribosomes", requested: 41, free: 40 };
    expect(partitionByQuota(state, EMPTY, { chassisId: "c", ledgerSeq: 0, requests })).toMatchObject({
      charged: [{ vmId: "d" }],
      refused: [{ vmId: "b", misfit }],
    });
  });

  it("holds the larger of two charges for the same VM on the same state of a ledger", () => {
    const twice = limitedTo100.and(charged("c", 0, "a", 60)).when(charge("c", "a", 40));
    expect(ribosomesOf(twice.thenAppended(charged("c", 0, "a", 60)))).toBe(60);
    limitedTo100
      .and(charged("c", 0, "a", 60))
      .when(charge("c", "a", 101))
      .thenUnchanged();
  });

  it("changes nothing for a state of the ledger that is not its newest", () => {
    const moved = ledgersOf({ c: { seq: 5 } });
    limitedTo100.when({ ...charge("c", "a", 20, moved), ledgerSeq: 4 } as QuotaCommand).thenUnchanged();
    limitedTo100
      .and(charged("c", 5, "a", 10))
      .when(charge("c", "a", 20))
      .thenUnchanged();
  });

  it("counts a VM that moves once, with the larger amount of the two chassis", () => {
    const moving = limitedTo100.and(charged("c", 1, "a", 60), charged("d", 2, "a", 80));
    const onBoth = ledgersOf({ c: { seq: 3, held: { a: 60 } }, d: { seq: 4, held: { a: 80 } } });
    expect(ribosomesOf(moving)).toBe(80);
    moving.when(charge("d", "b", 21, onBoth)).thenUnchanged();
    moving.when(charge("e", "a", 101, onBoth)).thenUnchanged();
    const arrived = moving
      .when(charge("d", "b", 20, onBoth))
      .thenAppended("bioxen.quota.charged.v1")
      .when(settle(ledgersOf({ c: { seq: 3, held: { a: 60 } }, d: { seq: 5, held: { b: 20 } } })))
      .thenAppended(settled("d", "a", null));
    expect(ribosomesOf(arrived), "60 of a, 20 of b").toBe(80);
  });

  it("counts the next incarnation of a VM in addition to what the former one still holds", () => {
    const held = ledgersOf({ c: { seq: 2, held: { a: 60 } } });
    const former = limitedTo100.and(charged("c", 1, "a", 60));
    former.when(charge("d", "a", 41, held, 2)).thenUnchanged();
    const next = former.when(charge("d", "a", 40, held, 2)).thenAppended("bioxen.quota.charged.v1");
    next.when(charge("c", "a", 100, held, 2)).thenAppended("bioxen.quota.charged.v1");
  });

  it("is unlimited for resources without a limit, and nothing grows above a limit of 0", () => {
    const zero = given(quotaDecider, set({ ribosomes: 0 }), ENFORCED);
    zero.when(charge("c", "a", 1)).thenUnchanged();
    zero
      .and(set({}))
      .when(charge("c", "a", 1_000))
      .thenAppended("bioxen.quota.charged.v1");
  });
});

describe("a limit that was lowered", () => {
  const held = ledgersOf({ c: { seq: 2, held: { a: 60 } } });
  const lowered = limitedTo100.and(charged("c", 1, "a", 60), set({ ribosomes: 10 }), ENFORCED);

  it("takes nothing away, lets no VM grow and every VM shrink", () => {
    expect(ribosomesOf(lowered)).toBe(60);
    lowered.when(charge("c", "a", 61, held)).thenUnchanged();
    lowered.when(charge("d", "b", 1, held)).thenUnchanged();
    lowered.when(charge("c", "a", 30, held)).thenAppended("bioxen.quota.charged.v1");
  });

  it("lets a VM move that holds more, and refuses it once it has given up its place", () => {
    lowered.when(charge("d", "a", 60, held)).thenAppended("bioxen.quota.charged.v1");
    lowered.when(charge("d", "a", 61, held)).thenUnchanged();
    const gone = ledgersOf({ c: { seq: 3 } });
    expect(ribosomesOf(lowered), "the charge is not settled yet").toBe(60);
    lowered.when(charge("c", "a", 60, gone)).thenUnchanged();
    lowered.when(charge("e", "a", 60, gone)).thenUnchanged();
  });

  it("holds once every charge under the old limits is used or void", () => {
    const open = limitedTo100.and(charged("c", 0, "a", 60), set({ ribosomes: 10 }));
    expect(open.state).toMatchObject({ enforced: false });
    expect(open.state.exists && chargesUnderOldLimits(open.state, EMPTY)).toHaveLength(1);
    const enforced = open
      .when(enforce(EMPTY))
      .thenUnchanged()
      .when(enforce(ledgersOf({ c: { seq: 1 } })))
      .thenAppended(ENFORCED);
    expect(enforced.state).toMatchObject({ enforced: true });
    expect(enforced.and(set({ ribosomes: 20 })).state, "a higher limit holds at once").toMatchObject({
      enforced: true,
    });
  });
});

describe("enforce", () => {
  it("counts what VMs held before the quota was set", () => {
    const world = ledgersOf({ c: { seq: 2, held: { a: 70 } } });
    const counted = given(quotaDecider, set({ ribosomes: 50 }))
      .when(enforce(world))
      .thenAppended({
        type: "bioxen.quota.enforced.v1",
        data: { charges: [{ vmId: "a", incarnation: 1, chassisId: "c", amounts: { ribosomes: 70 } }] },
      });
    expect(ribosomesOf(counted)).toBe(70);
    counted.when(charge("d", "b", 1, world)).thenUnchanged();
  });

  it("waits until every charge from before the count is used or void", () => {
    const before = ledgersOf({ c: { seq: 2, held: { a: 60 } } });
    const after = ledgersOf({ c: { seq: 3, held: { a: 60, b: 1 } } });
    const counted = given(quotaDecider, set({ ribosomes: 50 }), charged("c", 2, "b", 1))
      .when(enforce(before))
      .thenUnchanged()
      .when(enforce(after))
      .thenAppended("bioxen.quota.enforced.v1");
    expect(ribosomesOf(counted)).toBe(61);
  });
});

describe("settle", () => {
  it("gives back a charge that was not used, once its ledger has moved on", () => {
    const open = limitedTo100.and(charged("c", 1, "a", 60));
    expect(open.state.exists && openCharges(open.state, ledgersOf({ c: { seq: 1 } }))).toHaveLength(1);
    const given = open
      .when(settle(ledgersOf({ c: { seq: 1 } })))
      .thenUnchanged()
      .when(settle(ledgersOf({ c: { seq: 2 } })))
      .thenAppended(settled("c", "a", null));
    expect(ribosomesOf(given)).toBeUndefined();
  });

  it("gives back what a VM released, or had too much after it shrank", () => {
    limitedTo100
      .and(charged("c", 1, "a", 60))
      .when(settle(ledgersOf({ c: { seq: 2, held: { a: 60 } } })))
      .thenUnchanged()
      .when(settle(ledgersOf({ c: { seq: 3, held: { a: 20 } } })))
      .thenAppended(settled("c", "a", 20))
      .when(settle(ledgersOf({ c: { seq: 4 } })))
      .thenAppended(settled("c", "a", null));
  });
});
