/**
 * Quotas, judged from the log alone: each breach fires on a story that has it, and a sound story has none.
 */
import type { QuotaEvent } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { QuotaBooks } from "./quota-books.ts";

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

/** VMs a and b carry `team=a`, c carries nothing. Breaches of the last step; those before must have none. */
function judge(...steps: readonly Step[]): string[] {
  const books = new QuotaBooks();
  for (const vmId of ["a", "b"]) books.created(vmId, 1, { team: "a" });
  books.created("c", 1);
  let last: string[] = [];
  for (const [i, step] of steps.entries()) {
    expect(last, `before step ${i}`).toEqual([]);
    const breaches =
      "quota" in step
        ? books.observe("q", step.quota)
        : books.hold(
            step.hold[0],
            step.hold[1],
            step.hold[2] === null ? null : { incarnation: 1, amounts: { ribosomes: step.hold[2] } },
          );
    last = breaches.map(({ rule }) => rule);
  }
  return last;
}

describe("the quota books", () => {
  it("find nothing in a sound story", () => {
    const story = [
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
    expect(judge(...story)).toEqual([]);
  });

  it.each<[string, string, readonly Step[]]>([
    ["more is held than a quota allows", "over-quota", [set(10), enforced(), hold("a", "c1", 11)]],
    [
      "more is held together, on two chassis",
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
    ["more is charged than a quota allows", "over-quota", [set(10), charged("a", "c1", 11)]],
    [
      "something grows above a limit that was lowered",
      "over-quota",
      [hold("a", "c1", 9), set(5), enforced(["a", "c1", 9]), hold("a", "c1", 10)],
    ],
    ["something is held that was not charged", "uncharged", [set(10), enforced(), hold("a", "c1", 1)]],
    ["something held was not counted", "uncharged", [hold("a", "c1", 1), set(10), enforced()]],
    [
      "a charge is given back that is in use",
      "uncharged",
      [set(10), enforced(), charged("a", "c1", 3), hold("a", "c1", 3), settled("a", "c1", null)],
    ],
    ["a quota was never set", "unknown-quota", [settled("a", "c1", null)]],
    ["an amount is none", "amounts", [set(-1)]],
  ])("%s", (_what, rule, steps) => {
    expect(judge(...steps)).toContain(rule);
  });

  it("count a VM that moves once, with the most it holds on either chassis", () => {
    const moves = [
      set(10),
      enforced(),
      charged("a", "c1", 6),
      hold("a", "c1", 6),
      charged("a", "c2", 8),
      hold("a", "c2", 8),
    ];
    expect(judge(...moves, charged("b", "c2", 2))).toEqual([]);
    expect(judge(...moves, charged("b", "c2", 3))).toEqual(["over-quota"]);
    expect(judge(...moves, hold("a", "c1", null), settled("a", "c1", null), charged("b", "c1", 3))).toEqual([
      "over-quota",
    ]);
    expect(judge(...moves, hold("a", "c2", null), settled("a", "c2", null), charged("b", "c1", 4))).toEqual(
      [],
    );
  });

  describe("after a limit was lowered below what a VM holds", () => {
    const lowered = [set(10), enforced(), charged("a", "c1", 8), hold("a", "c1", 8), set(0), enforced()];
    const gone = [hold("a", "c1", null), settled("a", "c1", null)];

    it("it may move, and be without a place for a moment when the new one was charged before", () => {
      expect(judge(...lowered, charged("a", "c2", 8), hold("a", "c2", 8))).toEqual([]);
      expect(judge(...lowered, charged("a", "c2", 8), ...gone, hold("a", "c2", 8))).toEqual([]);
      const twice = [charged("a", "c2", 8), ...gone, charged("a", "c2", 8)];
      expect(judge(...lowered, ...twice, hold("a", "c2", 8))).toEqual([]);
    });

    it.each<[string, readonly Step[]]>([
      ["take more where it moves to", [charged("a", "c2", 9)]],
      ["come back where it was", [hold("a", "c1", null), charged("a", "c1", 8), hold("a", "c1", 8)]],
      ["come back elsewhere", [...gone, charged("a", "c2", 8)]],
      [
        "go twice on one charge",
        [charged("a", "c2", 8), ...gone, hold("a", "c2", 8), hold("a", "c2", null), hold("a", "c2", 8)],
      ],
      [
        "bring along what it no longer had at a newer charge",
        [charged("a", "c2", 8), ...gone, charged("a", "c2", 8, 2), hold("a", "c2", 8)],
      ],
    ])("it may not %s", (_what, steps) => {
      expect(judge(...lowered, ...steps)).toEqual(["over-quota"]);
    });
  });

  it("a limit that is lowered holds from the event that says so", () => {
    const before = [set(10), enforced(), charged("a", "c1", 8), set(5)];
    expect(judge(...before, hold("a", "c1", 8))).toEqual([]);
    expect(judge(...before, enforced(), hold("a", "c1", 8))).toContain("over-quota");
  });
});
