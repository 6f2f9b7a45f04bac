/**
 * A quota and the ledgers under random reservations, releases, lost charges and new limits: the ledgers change by what
 * was charged.
 */
import { chargedAmounts, type Ledger, ledgerFold, type QuotaEvent, type QuotaState } from "@bioxen/contracts";
import { fits } from "@bioxen/kernel";
import { nthPosition } from "@bioxen/testkit";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type KnownWorld, type QuotaCommand, quotaDecider } from "./quota.ts";

/** One quota and the ledgers of some chassis, on one log. */
class Cluster {
  quota: QuotaState = quotaDecider.fold.initial;
  readonly #ledgers = new Map<string, { readonly ledger: Ledger; readonly lastSeq: number }>();
  #seq = 0;

  /** The event that was decided; undefined when there was none. */
  execute(command: QuotaCommand): QuotaEvent | undefined {
    const decision = quotaDecider.decide(this.quota, command);
    if (!decision.ok || decision.event === null) return undefined;
    this.#seq += 1;
    const at = { ...nthPosition(this.#seq), seq: this.#seq };
    this.quota = quotaDecider.fold.evolve(this.quota, decision.event, at);
    return decision.event;
  }

  charge(chassisId: string, vmId: string, ribosomes: number): boolean {
    const requests = [{ vmId, incarnation: 1, amounts: { ribosomes } }];
    const ledgerSeq = this.#ledger(chassisId).lastSeq;
    const ledgers = this.world;
    return this.execute({ type: "charge", chassisId, ledgerSeq, requests, ledgers }) !== undefined;
  }

  /** The ledger gets an event after which it holds this much for the VM; null: it has no entry. */
  hold(chassisId: string, vmId: string, ribosomes: number | null): void {
    this.#seq += 1;
    const entries = { ...this.#ledger(chassisId).ledger.entries };
    if (ribosomes === null) delete entries[vmId];
    else {
      entries[vmId] = {
        vmId,
        incarnation: 1,
        fence: entries[vmId]?.fence ?? this.#seq,
        reservedBy: "e",
        amounts: { ribosomes },
        amountsSeq: this.#seq,
        phase: "committed",
        expiresAtMs: null,
      };
    }
    const ledger = { ...ledgerFold.initial, open: true, entries };
    this.#ledgers.set(chassisId, { ledger, lastSeq: this.#seq });
  }

  #ledger(chassisId: string) {
    return this.#ledgers.get(chassisId) ?? { ledger: ledgerFold.initial, lastSeq: 0 };
  }

  get world(): KnownWorld {
    return {
      ledger: (chassisId) => this.#ledger(chassisId),
      holders: () =>
        [...this.#ledgers].flatMap(([chassisId, { ledger }]) =>
          Object.values(ledger.entries).map(({ vmId, incarnation }) => ({ vmId, incarnation, chassisId })),
        ),
    };
  }

  get charged(): number {
    return this.quota.exists ? (chargedAmounts(this.quota)["ribosomes"] ?? 0) : 0;
  }

  get isAboveLimit(): boolean {
    return this.quota.exists && !fits(chargedAmounts(this.quota), this.quota.resources);
  }

  /** The ribosomes of all VMs, where a VM counts once with the most that it holds on any chassis. */
  get held(): number {
    const most = new Map<string, number>();
    for (const { ledger } of this.#ledgers.values()) {
      for (const { vmId, amounts } of Object.values(ledger.entries)) {
        most.set(vmId, Math.max(most.get(vmId) ?? 0, amounts["ribosomes"] ?? 0));
      }
    }
    return [...most.values()].reduce((a, b) => a + b, 0);
  }
}

const setTo = (ribosomes: number): QuotaCommand => ({
  type: "set",
  label: "team",
  resources: { ribosomes },
  quotas: 0,
});

it("never charges growth above the last limit, and settles every charge to what the ledgers hold", () => {
  const step = fc.record({
    kind: fc.constantFrom("reserve", "reserve", "release", "set", "lose", "settle"),
    chassis: fc.constantFrom("c", "d", "e"),
    vm: fc.constantFrom("a", "b", "f"),
    amount: fc.nat(60),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const cluster = new Cluster();
      cluster.execute(setTo(100));
      cluster.execute({ type: "enforce", world: cluster.world });
      for (const { kind, chassis, vm, amount } of steps) {
        const before = cluster.charged;
        if (kind === "reserve" && cluster.charge(chassis, vm, amount)) {
          expect(cluster.isAboveLimit && cluster.charged > before).toBe(false);
          cluster.hold(chassis, vm, amount);
        }
        if (kind === "lose") cluster.charge(chassis, `${vm}-never-held`, amount);
        if (kind === "release") cluster.hold(chassis, vm, null);
        if (kind === "set") cluster.execute(setTo(amount * 3));
        if (kind === "settle") cluster.execute({ type: "settle", ledgers: cluster.world });
      }
      for (const chassis of ["c", "d", "e"]) cluster.hold(chassis, "other", null);
      cluster.execute({ type: "settle", ledgers: cluster.world });
      expect(cluster.charged).toBe(cluster.held);
    }),
  );
});
