/**
 * The laws of the quota decider, and the rule by which the app reads a charge's outcome, over random commands in random
 * worlds.
 */
import type { QuotaState } from "@bioxen/contracts";
import type { CommandOf } from "@bioxen/kernel";
import { deciderLaws, given, type Step, walkCases } from "@bioxen/testkit";
import fc from "fast-check";
import { expect, it } from "vitest";
import { enforce, ledgersOf, requestOf, settle } from "./quota.testing.ts";
import { isCharged, partitionByQuota, type QuotaCommand, quotaDecider } from "./quota.ts";

const account = fc.record({
  seq: fc.nat(5),
  held: fc.dictionary(fc.constantFrom("a", "b", "f"), fc.nat(60), { maxKeys: 3 }),
});
const ledgers = fc
  .record({ c: account, d: account, incarnation: fc.constantFrom(1, 2) })
  .map(({ c, d, incarnation }) => ledgersOf({ c, d }, incarnation));

/** Random commands in random worlds: the ledgers need not agree with what was charged. */
const command: fc.Arbitrary<QuotaCommand> = fc.oneof(
  fc
    .dictionary(fc.constantFrom("ribosomes", "dnaKilobases"), fc.nat(150))
    .map((resources): QuotaCommand => ({ type: "set", label: "team", resources, quotas: 0 })),
  fc
    .record({
      ledgers,
      chassisId: fc.constantFrom("c", "d"),
      vmIds: fc.uniqueArray(fc.constantFrom("a", "b", "f"), { minLength: 1 }),
      ribosomes: fc.nat(60),
      incarnation: fc.constantFrom(1, 2),
      isLate: fc.boolean(),
    })
    .map(
      ({
        ledgers: known,
        chassisId,
        vmIds,
        ribosomes,
        incarnation,
        isLate,
      }): CommandOf<QuotaCommand, "charge"> => ({
        type: "charge",
        chassisId,
        ledgerSeq: known.ledger(chassisId).lastSeq - (isLate ? 1 : 0),
        requests: vmIds.map((vmId) => requestOf(vmId, { ribosomes }, incarnation)),
        ledgers: known,
      }),
    ),
  ledgers.map(enforce),
  ledgers.map(settle),
  fc
    .record({
      ledgers,
      incarnation: fc.constantFrom(1, 2),
      vmIds: fc.uniqueArray(fc.constantFrom("a", "b", "f"), { minLength: 1 }),
      isOwn: fc.boolean(),
    })
    .map(
      ({ ledgers: known, incarnation, vmIds, isOwn }): QuotaCommand => ({
        type: "follow-owners",
        ledgers: known,
        holdings: vmIds.map((vmId) => ({ vmId, incarnation, chassisId: "c", isOwn })),
      }),
    ),
);
const step: fc.Arbitrary<Step<QuotaState, QuotaCommand>> = command.map((one) => () => one);

const cases = walkCases(quotaDecider, step, {
  first: [(): QuotaCommand => ({ type: "set", label: "team", resources: { ribosomes: 100 }, quotas: 0 })],
});

it("holds a charge for exactly those VMs that the partition before its event has charged", () => {
  fc.assert(
    fc.property(cases, ({ events, command: last }) => {
      const before = given(quotaDecider, ...events);
      const { decision } = before.when(last);
      if (last.type !== "charge" || !decision.ok || decision.event === null) return;
      const { state } = before;
      const { state: after } = before.and(decision.event);
      if (!state.exists || !after.exists) throw new Error("the quota was set");
      const chargedVms = partitionByQuota(state, last.ledgers, last).charged.map(({ vmId }) => vmId);
      const covered = last.requests.filter((request) => isCharged(after, last, request));
      expect(covered.map(({ vmId }) => vmId)).toEqual(chargedVms);
    }),
    { numRuns: 2_000 },
  );
});

deciderLaws("quotas", quotaDecider, {
  cases,
  repeats: [
    {
      type: "charge",
      reason: "Each charge renews the time after which its charger counts as crashed.",
    },
  ],
});
