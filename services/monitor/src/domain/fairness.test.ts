import { describe, expect, it } from "vitest";
import { grantedShare, jainsIndex } from "./fairness.ts";
import { utilisationOf } from "./utilisation.ts";

describe("fairness", () => {
  it("is 1 for equal shares, 1/n when one VM has everything, and null without VMs", () => {
    expect(jainsIndex([0.5, 0.5, 0.5])).toBeCloseTo(1, 12);
    expect(jainsIndex([1, 0, 0, 0])).toBe(0.25);
    expect(jainsIndex([1, 0.5])).toBeCloseTo(0.9, 12);
    expect(jainsIndex([])).toBeNull();
    expect(jainsIndex([0, 0])).toBeNull();
  });

  it("a share is the share of the scarcest resource", () => {
    expect(grantedShare({ ribosomes: 50, atp: 100 }, { ribosomes: 100, atp: 100 })).toBe(0.5);
    expect(grantedShare({}, { ribosomes: 1 })).toBe(0);
    expect(grantedShare({ ribosomes: 5 }, { ribosomes: 1 })).toBe(1);
    expect(grantedShare({}, {})).toBeUndefined();
  });

  it("utilisation adds up over ledgers", () => {
    const ledger = {
      open: true,
      chassisType: "ecoli",
      capacity: { ribosomes: 10 },
      offered: { ribosomes: 8 },
      maxVms: 1,
      entries: {
        a: {
          vmId: "a",
          incarnation: 1,
          fence: 1,
          reservedBy: "e",
          amounts: { ribosomes: 2 },
          amountsSeq: 1,
          phase: "committed",
          expiresAtMs: null,
        },
      },
      proposerToken: 0,
    } as const;
    expect(utilisationOf([ledger, { ...ledger, entries: {} }])).toEqual({
      ribosomes: { capacity: 20, offered: 16, reserved: 2, permille: 125 },
    });
  });
});
