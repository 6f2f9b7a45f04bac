/**
 * The claim on an agent id: one process holds it, another waits, and a superseded one never acts again.
 */
import { StoredLeases } from "@bioxen/kernel";
import { FakeClock, idsInOrder, LeaseStorePath, MemoryLeaseStore } from "@bioxen/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { AGENT_CLAIM_TTL_MS, AgentClaim } from "./claim.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

describe("the claim on an agent id", () => {
  let clock: FakeClock;
  let store: MemoryLeaseStore;

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryLeaseStore();
  });

  function contender(host: string) {
    const path = new LeaseStorePath(store);
    const ids = idsInOrder(`${host}/7/life`);
    const monotonicMs = () => clock.nowMs();
    const leases = new StoredLeases({ store: path, clock, timers: clock, ids, monotonicMs, logger: silent });
    const claim = new AgentClaim({ leases, logger: silent }, "local");
    const seen = { granted: false, reasons: [] as string[], superseded: "" };
    void claim
      .granted((reason) => void seen.reasons.push(reason))
      .then(() => {
        seen.granted = true;
      });
    void claim.superseded.then((reason) => {
      seen.superseded = reason;
    });
    return { claim, path, seen };
  }

  /** Advances the clock in steps, and checks at each that at most one of the claims is held. */
  async function advance(ms: number, ...claims: AgentClaim[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await clock.advance(100);
      expect(claims.filter((claim) => claim.isHeld()).length).toBeLessThan(2);
    }
  }

  it("is granted to the first; the second waits with a reason that names host, process and remedy", async () => {
    const first = contender("a");
    await advance(1_000);
    const second = contender("b");
    await advance(3 * AGENT_CLAIM_TTL_MS, first.claim, second.claim);
    expect(first.seen).toEqual({ granted: true, reasons: [], superseded: "" });
    expect(second.seen.granted).toBe(false);
    expect(second.seen.reasons).toEqual([
      "agent local is run by the process 7 on a: this process runs no guest until that one ends. " +
        "Stop one of the two, or give this one another BIOXEN_AGENT_ID",
    ]);
    expect(second.claim.waitsFor).toBe(second.seen.reasons[0]);
    expect(() => second.claim.require()).toThrow("does not hold the claim on agent local");
  });

  it("passes to the second within a second when the first releases it", async () => {
    const first = contender("a");
    await advance(1_000);
    const second = contender("b");
    await advance(1_000, first.claim, second.claim);
    await first.claim.release();
    await advance(1_000, first.claim, second.claim);
    expect(second.seen.granted).toBe(true);
    expect(second.claim.waitsFor).toBeUndefined();
    expect(first.seen.superseded, "an orderly end is no supersession").toBe("");
  });

  it("lapses before a successor can take it, and never returns to the former holder", async () => {
    const first = contender("a");
    await advance(1_000);
    const second = contender("b");
    await advance(1_000, first.claim, second.claim);
    first.path.setCut(true);
    await advance(AGENT_CLAIM_TTL_MS, first.claim, second.claim);
    expect(first.claim.isHeld()).toBe(false);
    await advance(1_500, first.claim, second.claim);
    expect(second.claim.isHeld()).toBe(true);
    first.path.setCut(false);
    await advance(1_000, first.claim, second.claim);
    expect(first.seen.superseded).toContain("the process 7 on b took over agent local");
    await second.claim.release();
    await advance(2 * AGENT_CLAIM_TTL_MS, first.claim, second.claim);
    expect(first.claim.isHeld()).toBe(false);
  });

  it("returns to its holder after a cut during which no other process took it", async () => {
    const { claim, path, seen } = contender("a");
    await advance(1_000);
    path.setCut(true);
    await advance(AGENT_CLAIM_TTL_MS);
    expect(claim.isHeld()).toBe(false);
    path.setCut(false);
    await advance(1_000);
    expect(claim.isHeld()).toBe(true);
    expect(seen).toEqual({ granted: true, reasons: [], superseded: "" });
  });
});
