/**
 * A ledger whose log has a forged lease token: it goes on under the tokens of the real leases.
 */
import type { LedgerEvent } from "@bioxen/contracts";
import { RECEIVER_AHEAD_MS } from "@bioxen/kernel";
import { given, TIME_STEP_MS } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { type LedgerCommand, ledgerDecider } from "./ledger.ts";

const plan = (vmId: string, proposerToken: number) => ({
  planId: "p",
  reservations: [{ vmId, incarnation: 1, amounts: { ribosomes: 1 } }],
  expiresAtMs: 1_000,
  proposerToken,
});
const amounts = { capacity: { ribosomes: 90 }, offered: { ribosomes: 90 } };
const OPENED: LedgerEvent = {
  type: "bioxen.ledger.opened.v1",
  data: { chassisType: "ecoli", ...amounts, maxVms: 5 },
};
const reserved = (vmId: string, proposerToken: number): LedgerEvent => ({
  type: "bioxen.ledger.reserved.v1",
  data: plan(vmId, proposerToken),
});
const reserve = (vmId: string, proposerToken: number): LedgerCommand => ({
  type: "reserve",
  chassisId: "c",
  ...plan(vmId, proposerToken),
});

describe("a ledger", () => {
  it.each([2 ** 53 - 1, 3 * TIME_STEP_MS + RECEIVER_AHEAD_MS + 1])(
    "keeps the reservation under the forged token %d, and not the token",
    (forged) => {
      const ledger = given(ledgerDecider, OPENED, reserved("a", 1_500), reserved("z", forged));
      expect(ledger.state.proposerToken).toBe(1_500);
      expect(ledger.state.ignoredToken).toEqual({ seq: 30, token: forged });
      expect(Object.keys(ledger.state.entries)).toEqual(["a", "z"]);
      ledger.when(reserve("b", 1_499)).thenRejected("CONFLICT", { details: { newestToken: 1_500 } });
      ledger.when(reserve("b", 1_500)).thenAppended(reserved("b", 1_500));
    },
  );

  it("follows tokens that count on from one of a clock that was later set back", () => {
    const ahead = 2 * TIME_STEP_MS + RECEIVER_AHEAD_MS;
    const ledger = given(
      ledgerDecider,
      OPENED,
      reserved("a", ahead),
      reserved("b", ahead + RECEIVER_AHEAD_MS),
    );
    expect(ledger.state.proposerToken).toBe(ahead + RECEIVER_AHEAD_MS);
  });
});
