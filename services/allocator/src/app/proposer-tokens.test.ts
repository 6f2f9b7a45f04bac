/**
 * A token of a request counts only when it was issued, and an issued one costs one look at the record of the lease.
 */
import { Fault, MAX_LEASE_TOKEN, RECEIVER_AHEAD_MS } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { ProposerTokens } from "./proposer-tokens.ts";

const NOW_MS = 1_800_000_000_000;

function tokensWith(world: { recorded?: number; onRecord?: number | undefined | Fault; nowMs?: number }) {
  let reads = 0;
  const tokenOnRecord = async () => {
    reads += 1;
    if (world.onRecord instanceof Fault) throw world.onRecord;
    return world.onRecord;
  };
  const tokens = new ProposerTokens({
    leases: { tokenOnRecord },
    clock: { nowMs: () => world.nowMs ?? NOW_MS },
    newestRecorded: () => world.recorded ?? 0,
  });
  return { tokens, reads: () => reads, world };
}

describe("the token of a proposal", () => {
  it("is accepted when it is on record, and the record is read once per term", async () => {
    const { tokens, reads, world } = tokensWith({ onRecord: NOW_MS });
    for (let i = 0; i < 100; i += 1) expect(await tokens.refusalOf(NOW_MS)).toBeUndefined();
    expect(reads()).toBe(1);
    expect(tokens.newest()).toBe(NOW_MS);
    world.onRecord = NOW_MS + 5;
    expect(await tokens.refusalOf(NOW_MS + 5)).toBeUndefined();
    expect(reads()).toBe(2);
    expect(tokens.newest(), "the ledger refuses the term before").toBe(NOW_MS + 5);
  });

  it("is accepted without a look when a ledger has recorded it", async () => {
    const { tokens, reads } = tokensWith({ recorded: NOW_MS });
    expect(await tokens.refusalOf(NOW_MS)).toBeUndefined();
    expect(reads()).toBe(0);
  });

  it.each([1, 1_000, RECEIVER_AHEAD_MS])(
    "is refused when it is %i ms newer than the one on record",
    async (aheadMs) => {
      const { tokens } = tokensWith({ onRecord: NOW_MS });
      expect(await tokens.refusalOf(NOW_MS + aheadMs)).toMatchObject({ rejection: { code: "CONFLICT" } });
      expect(tokens.newest(), "a refused token is not remembered").toBe(NOW_MS);
    },
  );

  it.each([NOW_MS + RECEIVER_AHEAD_MS + 1, MAX_LEASE_TOKEN, MAX_LEASE_TOKEN + 1, 2 ** 53 - 1])(
    "%i is refused without a look: it is too far ahead of the clock",
    async (token) => {
      const { tokens, reads } = tokensWith({ recorded: NOW_MS - 1, onRecord: token });
      expect(await tokens.refusalOf(token)).toMatchObject({
        rejection: { code: "BAD_REQUEST", retryable: false },
      });
      expect(reads()).toBe(0);
    },
  );

  it("is refused while there is no record of the lease", async () => {
    const { tokens } = tokensWith({});
    expect(await tokens.refusalOf(NOW_MS)).toMatchObject({ rejection: { code: "CONFLICT" } });
  });

  it("is not learnt from a record that was overwritten with an impossible one", async () => {
    const { tokens } = tokensWith({ onRecord: 2 ** 53 - 1 });
    expect(await tokens.refusalOf(NOW_MS)).toMatchObject({ rejection: { code: "CONFLICT" } });
    expect(tokens.newest()).toBe(0);
  });

  it("may be far ahead of a clock that was set back, when a ledger has recorded such tokens", async () => {
    const before = NOW_MS + 365 * 86_400_000;
    const { tokens } = tokensWith({ recorded: before, onRecord: before + 1 });
    expect(await tokens.refusalOf(before + 1)).toBeUndefined();
    expect(await tokens.refusalOf(before + RECEIVER_AHEAD_MS + 2)).toMatchObject({
      rejection: { code: "BAD_REQUEST" },
    });
  });

  it("may be absent only while no token was issued", async () => {
    const { tokens, world } = tokensWith({});
    expect(await tokens.refusalOf(undefined)).toBeUndefined();
    expect(tokens.newest()).toBe(0);
    world.onRecord = NOW_MS;
    expect(await tokens.refusalOf(undefined), "the ledger refuses it by the newest token").toBeUndefined();
    expect(tokens.newest()).toBe(NOW_MS);
  });

  it("is neither accepted nor refused while the record cannot be read", async () => {
    const away = new Fault("UNAVAILABLE", "away", { retryable: true });
    const { tokens } = tokensWith({ onRecord: away });
    await expect(tokens.refusalOf(NOW_MS)).rejects.toBe(away);
  });
});
