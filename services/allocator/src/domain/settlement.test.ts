/**
 * How entries end: by the events of their VMs, by a preemption, or by time.
 */
import type { LedgerEntry, LedgerEvent, VmState } from "@bioxen/contracts";
import { given } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { type LedgerCommand, ledgerDecider } from "./ledger.ts";
import { type EntryVerdict, EXPIRY_GRACE_MS, nextExpiryAtMs } from "./settlement.ts";

const EXPIRES_AT_MS = 1_000;
/** The reservations are the second event of their ledger. */
const FENCE = 20;

function ledgerWith(...amounts: [vmId: string, ribosomes: number][]) {
  const opened: LedgerEvent = {
    type: "bioxen.ledger.opened.v1",
    data: { chassisType: "ecoli", capacity: { ribosomes: 90 }, offered: { ribosomes: 90 }, maxVms: 5 },
  };
  const reservations = amounts.map(([vmId, ribosomes]) => ({ vmId, incarnation: 1, amounts: { ribosomes } }));
  const data = { planId: "p", reservations, expiresAtMs: EXPIRES_AT_MS };
  return given(ledgerDecider, opened, { type: "bioxen.ledger.reserved.v1", data });
}

describe("settle", () => {
  const settle = (verdicts: Record<string, EntryVerdict>, nowMs = 0): LedgerCommand => ({
    type: "settle",
    verdictOf: ({ vmId }) => verdicts[vmId] ?? "keep",
    nowMs,
  });
  const three = ledgerWith(["a", 1], ["b", 1], ["c", 1]);
  const dueAtMs = EXPIRES_AT_MS + EXPIRY_GRACE_MS;

  it("expires a reservation that its VM did not take, after the grace; a committed or taken one never expires", () => {
    const verdicts = { a: "commit", b: "keep", c: "hold" } as const;
    const verdictOf = ({ vmId }: LedgerEntry) => verdicts[vmId as keyof typeof verdicts];
    const committed = three.when(settle(verdicts)).thenAppended({
      type: "bioxen.ledger.committed.v1",
      data: { entries: [{ vmId: "a", fence: FENCE }] },
    });
    expect(nextExpiryAtMs(committed.state, verdictOf)).toBe(dueAtMs);
    const expired = committed
      .when(settle(verdicts, dueAtMs - 1))
      .thenUnchanged()
      .when(settle(verdicts, dueAtMs))
      .thenAppended({ type: "bioxen.ledger.expired.v1", data: { entries: [{ vmId: "b", fence: FENCE }] } });
    expect(Object.keys(expired.state.entries)).toEqual(["a", "c"]);
    expect(nextExpiryAtMs(expired.state, verdictOf)).toBeUndefined();
    expired.when(settle(verdicts, dueAtMs + 1e9)).thenUnchanged();
  });

  it("releases first, then commits, then expires: one event a decision", () => {
    const verdicts = { a: "release", b: "commit", c: "keep" } as const;
    three
      .when(settle(verdicts, dueAtMs))
      .thenAppended("bioxen.ledger.released.v1")
      .when(settle(verdicts, dueAtMs))
      .thenAppended("bioxen.ledger.committed.v1")
      .when(settle(verdicts, dueAtMs))
      .thenAppended("bioxen.ledger.expired.v1")
      .when(settle(verdicts, dueAtMs))
      .thenUnchanged();
  });
});

describe("follow-preemption", () => {
  /** VM `a` was preempted by the event `seq` and has kept this much. */
  const follow = (seq: number, ribosomes: number, fence = FENCE): LedgerCommand => {
    const vm = { exists: true, fence, allocation: { ribosomes }, preemption: { active: true, seq } };
    return { type: "follow-preemption", vmOf: (id) => (id === "a" ? (vm as VmState) : { exists: false }) };
  };
  const two = ledgerWith(["a", 50], ["b", 30]);

  it("lowers the entry of a preempted VM once, and leaves what it was granted afterwards", () => {
    const lowered = two
      .when(follow(FENCE + 5, 20))
      .thenAppended({
        type: "bioxen.ledger.resized.v1",
        data: { vmId: "a", fence: FENCE, amounts: { ribosomes: 20 } },
      })
      .when(follow(FENCE + 5, 20))
      .thenUnchanged();
    const granted = lowered
      .when({ type: "resize", chassisId: "c", vmId: "a", fence: FENCE, amounts: { ribosomes: 50 } })
      .thenAppended("bioxen.ledger.resized.v1");
    granted.when(follow(FENCE + 5, 20)).thenUnchanged();
    granted.when(follow(1e9, 60)).thenUnchanged();
    expect(granted.state.entries["a"]?.amounts).toEqual({ ribosomes: 50 });
  });

  it("leaves an entry whose VM has another place", () => {
    two.when(follow(100, 1, 99)).thenUnchanged();
  });
});
