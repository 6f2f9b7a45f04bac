/**
 * The meaning of a quota's events: its limits, and what is charged against them.
 */
import { type Amounts, amountOf, type Fold, sum } from "@bioxen/kernel";
import type { QuotaEvent } from "../events/quota.ts";

export interface QuotaCharge {
  readonly vmId: string;
  readonly incarnation: number;
  readonly chassisId: string;
  readonly amounts: Amounts;
  /** An append to that ledger may still use it while this is the ledger's last sequence. */
  readonly ledgerSeq: number;
  /** Sequence and instant of the charge. */
  readonly chargedSeq: number;
  readonly chargedAtMs: number;
}

export interface Quota {
  readonly exists: true;
  readonly label: string;
  /** Limits; a resource that is not named has none. */
  readonly resources: Amounts;
  /** Sequence of the first `set`: a ledger with a later event is changed only by who knows of this quota. */
  readonly firstSeq: number;
  /** Sequence of the last `set`: what was charged before it was charged under other limits. */
  readonly setSeq: number;
  /** What was held before the first `set` is charged, too. */
  readonly counted: boolean;
  /** The limits hold: nothing grows above them, whatever is under way. */
  readonly enforced: boolean;
  /** By {@link chargeKey}: a VM that is being moved holds on two chassis. */
  readonly charges: Readonly<Record<string, QuotaCharge>>;
}

export type QuotaState = { readonly exists: false } | Quota;

export const NO_QUOTA: QuotaState = Object.freeze({ exists: false });

export function chargeKey(vmId: string, chassisId: string): string {
  return `${vmId}/${chassisId}`;
}

/** What is held, or may be at any moment. Each life of a VM counts once, however many chassis it holds on while it moves. */
export function chargedAmounts(quota: Quota): Amounts {
  return mostPerLife(Object.values(quota.charges));
}

interface LifeOfVm {
  readonly vmId: string;
  readonly incarnation: number;
}

type Holding = LifeOfVm & { readonly amounts: Amounts };

/** The sum over all lives of VMs of the most that each has in any one of these. */
export function mostPerLife(holdings: Iterable<Holding>): Amounts {
  return sum(mostOfLives(holdings).values());
}

/** By {@link lifeKey}: the most that each life of a VM has in any one of these. */
export function mostOfLives(holdings: Iterable<Holding>): ReadonlyMap<string, Amounts> {
  const lives = new Map<string, Amounts>();
  for (const holding of holdings) {
    const life = lifeKey(holding);
    const most = lives.get(life);
    lives.set(life, most === undefined ? holding.amounts : larger(most, holding.amounts));
  }
  return lives;
}

export function lifeKey({ vmId, incarnation }: LifeOfVm): string {
  return `${vmId}#${incarnation}`;
}

/** Of each resource the larger amount. */
export function larger(a: Amounts, b: Amounts): Amounts {
  const out: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) out[name] = Math.max(out[name] ?? 0, amount);
  return out;
}

/** What is left of each limit; 0 where more is held than a quota that was lowered allows. */
export function quotaFree(quota: Quota, charged = chargedAmounts(quota)): Amounts {
  return Object.fromEntries(
    Object.entries(quota.resources).map(([name, limit]) => [
      name,
      Math.max(0, limit - amountOf(charged, name)),
    ]),
  );
}

/** Some limit is below what it was; one that is new is below none. */
function isLower(limits: Amounts, before: Amounts): boolean {
  return Object.entries(limits).some(([name, limit]) => limit < (before[name] ?? Number.POSITIVE_INFINITY));
}

export const quotaFold: Fold<QuotaState> = {
  schema: 1,
  initial: NO_QUOTA,
  evolve(quota, untyped, at) {
    const event = untyped as QuotaEvent;
    if (event.type === "bioxen.quota.set.v1") {
      const { label, resources } = event.data;
      if (quota.exists) {
        const enforced = quota.enforced && !isLower(resources, quota.resources);
        return { ...quota, resources, setSeq: at.seq, enforced };
      }
      const firsts = { firstSeq: at.seq, setSeq: at.seq, counted: false, enforced: false };
      return { exists: true, label, resources, ...firsts, charges: {} };
    }
    if (!quota.exists) throw new Error(`${event.type} of a quota that was never set`);
    const charges: Record<string, QuotaCharge> = { ...quota.charges };
    switch (event.type) {
      case "bioxen.quota.enforced.v1":
        for (const charge of event.data.charges) {
          const key = chargeKey(charge.vmId, charge.chassisId);
          const ledgerSeq = charges[key]?.ledgerSeq ?? 0;
          charges[key] = { ...charge, ledgerSeq, chargedSeq: at.seq, chargedAtMs: at.atMs };
        }
        return { ...quota, charges, counted: true, enforced: true };
      case "bioxen.quota.charged.v1": {
        const { chassisId, ledgerSeq } = event.data;
        for (const charge of event.data.charges) {
          const key = chargeKey(charge.vmId, chassisId);
          charges[key] = { ...charge, chassisId, ledgerSeq, chargedSeq: at.seq, chargedAtMs: at.atMs };
        }
        return { ...quota, charges };
      }
      case "bioxen.quota.settled.v1":
        for (const { vmId, chassisId, amounts } of event.data.charges) {
          const key = chargeKey(vmId, chassisId);
          const charge = charges[key];
          if (amounts === null) delete charges[key];
          else if (charge !== undefined) charges[key] = { ...charge, amounts };
        }
        return { ...quota, charges };
    }
  },
};
