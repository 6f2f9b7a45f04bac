/**
 * The charges of the quota of an owner follow the VMs that are given to another owner.
 */
import { chargedAmounts } from "@bioxen/contracts";
import { given } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { charged, ENFORCED, ledgersOf, set, settled } from "./quota.testing.ts";
import { type OwnedHolding, type QuotaCommand, quotaDecider } from "./quota.ts";

const limited = given(quotaDecider, set({ ribosomes: 100 }), ENFORCED);
const holding = (vmId: string, isOwn: boolean): OwnedHolding => ({
  vmId,
  incarnation: 1,
  chassisId: "c1",
  isOwn,
});
const chargeOf = (vmId: string, ribosomes: number) => ({
  vmId,
  incarnation: 1,
  chassisId: "c1",
  amounts: { ribosomes },
});
const follow = (ledgers: ReturnType<typeof ledgersOf>, ...holdings: OwnedHolding[]): QuotaCommand => ({
  type: "follow-owners",
  ledgers,
  holdings,
});
it("what a received VM holds is charged, also above the limit, and once", () => {
  const ledgers = ledgersOf({ c1: { seq: 5, held: { a: 80, b: 70 } } });
  const all = follow(ledgers, holding("a", true), holding("b", true));
  const after = limited.when(all).thenAppended({
    type: "bioxen.quota.enforced.v1",
    data: { charges: [chargeOf("a", 80), chargeOf("b", 70)] },
  });
  expect(after.state.exists && chargedAmounts(after.state)).toEqual({ ribosomes: 150 });
  after.when(all).thenUnchanged();
});

it("the charge of a VM that was given away ends once it is in use, and not while it may still be used", () => {
  const before = limited.and(charged("c1", 4, "a", 80));
  before.when(follow(ledgersOf({ c1: { seq: 4 } }), holding("a", false))).thenUnchanged();
  const after = before
    .when(follow(ledgersOf({ c1: { seq: 5, held: { a: 80 } } }), holding("a", false)))
    .thenAppended(settled("c1", "a", null));
  expect(after.state.exists && chargedAmounts(after.state)).toEqual({});
});

it("a quota that has not counted its holders yet does so itself", () => {
  const ledgers = ledgersOf({ c1: { seq: 5, held: { a: 80 } } });
  given(quotaDecider, set({ ribosomes: 100 }))
    .when(follow(ledgers, holding("a", true)))
    .thenUnchanged();
});
