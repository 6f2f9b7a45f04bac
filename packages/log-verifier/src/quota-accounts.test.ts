/**
 * The rules of quotas: each breach is found in a log that has it, and a sound log has none.
 */
import type { QuotaEvent } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { QuotaAccounts } from "./quota-accounts.ts";

type Step =
  | { readonly hold: readonly [vmId: string, chassisId: string, ribosomes: number | null] }
  | { readonly quota: QuotaEvent };

const hold = (vmId: string, chassisId: string, ribosomes: number | null): Step => ({
  hold: [vmId, chassisId, ribosomes],
});
const set = (ribosomes: number, label = "team=a"): Step => ({
  quota: { type: "bioxen.quota.set.v1", data: { label, resources: { ribosomes } } },
});
const enforced = (...charges: [string, string, number][]): Step => ({
  quota: {
    type: "bioxen.quota.enforced.v1",
    data: {
      charges: charges.map(([vmId, chassisId, ribosomes]) => ({
        vmId,
        incarnation: 1,
        chassisId,
        amounts: { ribosomes },
      })),
    },
  },
});
const charged = (vmId: string, chassisId: string, ribosomes: number, ledgerSeq = 1): Step => ({
  quota: {
    type: "bioxen.quota.charged.v1",
    data: { chassisId, ledgerSeq, charges: [{ vmId, incarnation: 1, amounts: { ribosomes } }] },
  },
});
const settled = (vmId: string, chassisId: string, ribosomes: number | null): Step => ({
  quota: {
    type: "bioxen.quota.settled.v1",
    data: { charges: [{ vmId, chassisId, amounts: ribosomes === null ? null : { ribosomes } }] },
  },
});

/**
 * The breaches of the last step; the steps before must have none. VMs `a` and `b` have the label `team=a`, VM `c` has
 * none.
 */
function breachesOf(...steps: readonly Step[]): string[] {
  const accounts = new QuotaAccounts();
  for (const vmId of ["a", "b"]) accounts.created(vmId, 1, { team: "a" });
  accounts.created("c", 1);
  let last: string[] = [];
  for (const [i, step] of steps.entries()) {
    expect(last, `before step ${i}`).toEqual([]);
    const breaches =
      "quota" in step
        ? accounts.observe("q", step.quota)
        : accounts.hold(
            step.hold[0],
            step.hold[1],
            step.hold[2] === null ? null : { incarnation: 1, amounts: { ribosomes: step.hold[2] } },
          );
    last = breaches.map(({ rule }) => rule);
  }
  return last;
}

describe("the quota accounts", () => {
  it("find no breach in a sound log", () => {
    const log = [
      hold("a", "c1", 5),
      set(10),
      enforced(["a", "c1", 5]),
      charged("b", "c2", 5),
      hold("b", "c2", 5),
      hold("c", "c2", 500),
      hold("a", "c1", null),
      settled("a", "c1", null),
      set(3),
      enforced(),
      hold("b", "c2", 4),
      settled("b", "c2", 4),
    ];
    expect(breachesOf(...log)).toEqual([]);
  });

  it.each<[string, string, readonly Step[]]>([
    ["a VM holds more than the quota allows", "over-quota", [set(10), enforced(), hold("a", "c1", 11)]],
    [
      "VMs on two chassis together hold more than the quota allows",
      "over-quota",
      [
        set(10),
        enforced(),
        charged("a", "c1", 6),
        hold("a", "c1", 6),
        settled("a", "c1", 6),
        hold("b", "c2", 5),
      ],
    ],
    ["more is charged than the quota allows", "over-quota", [set(10), charged("a", "c1", 11)]],
    [
      "an allocation grows above a lowered limit",
      "over-quota",
      [hold("a", "c1", 9), set(5), enforced(["a", "c1", 9]), hold("a", "c1", 10)],
    ],
    ["an allocation was never charged", "uncharged", [set(10), enforced(), hold("a", "c1", 1)]],
    [
      "an allocation from before the quota was not charged",
      "uncharged",
      [hold("a", "c1", 1), set(10), enforced()],
    ],
    [
      "a charge that is in use is settled as ended",
      "uncharged",
      [set(10), enforced(), charged("a", "c1", 3), hold("a", "c1", 3), settled("a", "c1", null)],
    ],
    ["an event belongs to a quota that was never set", "unknown-quota", [settled("a", "c1", null)]],
    ["an amount is negative", "amounts", [set(-1)]],
  ])("find a breach: %s", (_what, rule, steps) => {
    expect(breachesOf(...steps)).toContain(rule);
  });

  it("count a moving VM once, with its larger allocation", () => {
    const moves = [
      set(10),
      enforced(),
      charged("a", "c1", 6),
      hold("a", "c1", 6),
      charged("a", "c2", 8),
      hold("a", "c2", 8),
    ];
    expect(breachesOf(...moves, charged("b", "c2", 2))).toEqual([]);
    expect(breachesOf(...moves, charged("b", "c2", 3))).toEqual(["over-quota"]);
    expect(
      breachesOf(...moves, hold("a", "c1", null), settled("a", "c1", null), charged("b", "c1", 3)),
    ).toEqual(["over-quota"]);
    expect(
      breachesOf(...moves, hold("a", "c2", null), settled("a", "c2", null), charged("b", "c1", 4)),
    ).toEqual([]);
  });

  describe("after a limit was lowered below what a VM holds", () => {
    const lowered = [set(10), enforced(), charged("a", "c1", 8), hold("a", "c1", 8), set(0), enforced()];
    const gone = [hold("a", "c1", null), settled("a", "c1", null)];

    it("the VM can move, also without a place for a moment if the new one was charged before", () => {
      expect(breachesOf(...lowered, charged("a", "c2", 8), hold("a", "c2", 8))).toEqual([]);
      expect(breachesOf(...lowered, charged("a", "c2", 8), ...gone, hold("a", "c2", 8))).toEqual([]);
      const twice = [charged("a", "c2", 8), ...gone, charged("a", "c2", 8)];
      expect(breachesOf(...lowered, ...twice, hold("a", "c2", 8))).toEqual([]);
    });

    it.each<[string, readonly Step[]]>([
      ["take more at its new place", [charged("a", "c2", 9)]],
      ["return to its old place", [hold("a", "c1", null), charged("a", "c1", 8), hold("a", "c1", 8)]],
      ["return to another chassis", [...gone, charged("a", "c2", 8)]],
      [
        "use one charge twice",
        [charged("a", "c2", 8), ...gone, hold("a", "c2", 8), hold("a", "c2", null), hold("a", "c2", 8)],
      ],
      [
        "carry over what it no longer held at a newer charge",
        [charged("a", "c2", 8), ...gone, charged("a", "c2", 8, 2), hold("a", "c2", 8)],
      ],
    ])("the VM cannot %s", (_what, steps) => {
      expect(breachesOf(...lowered, ...steps)).toEqual(["over-quota"]);
    });
  });

  it("a lowered limit is in force from the `enforced` event on", () => {
    const before = [set(10), enforced(), charged("a", "c1", 8), set(5)];
    expect(breachesOf(...before, hold("a", "c1", 8))).toEqual([]);
    expect(breachesOf(...before, enforced(), hold("a", "c1", 8))).toContain("over-quota");
  });
});
