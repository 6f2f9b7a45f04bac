/**
 * The meaning of a quota's events: its limits, and the charges against them.
 */
import { type Amounts, amountOf, type Fold, sum } from "@bioxen/kernel";
import type { QuotaEvent } from "../events/quota.ts";

export interface QuotaCharge {
  readonly vmId: string;
  readonly incarnation: number;
  readonly chassisId: string;
  readonly amounts: Amounts;
  /**
   * Last sequence of the chassis' ledger at the time of the charge. The charge permits an append to that ledger only
   * while the ledger has no later event.
   */
  readonly ledgerSeq: number;
  /** Sequence of the event that made the charge. */
  readonly chargedSeq: number;
  /** Time of the event that made the charge, epoch ms. */
  readonly chargedAtMs: number;
}

export interface Quota {
  readonly exists: true;
  readonly label: string;
  /** Limits. A resource that is not named is unlimited. */
  readonly resources: Amounts;
  /**
   * Sequence of the first `set`. Once a ledger has a later event, only instances that know this quota can change that
   * ledger.
   */
  readonly firstSeq: number;
  /** Sequence of the last `set`. Earlier charges were made under other limits. */
  readonly setSeq: number;
  /** True once the entries that were held before the first `set` are charged as well. */
  readonly counted: boolean;
  /** True while the limits are in force: no command under way can raise the sum above them. */
  readonly enforced: boolean;
  /** By {@link chargeKey}. A VM that is being moved is charged on two chassis. */
  readonly charges: Readonly<Record<string, QuotaCharge>>;
}

export type QuotaState = { readonly exists: false } | Quota;

export const NO_QUOTA: QuotaState = Object.freeze({ exists: false });

export function chargeKey(vmId: string, chassisId: string): string {
  return `${vmId}/${chassisId}`;
}

/**
 * The sum of all charges. An incarnation that is charged on two chassis while it moves counts once, with the larger
 * amounts.
 */
export function chargedAmounts(quota: Quota): Amounts {
  return sum(mostByIncarnation(Object.values(quota.charges)).values());
}

interface Incarnation {
  readonly vmId: string;
  readonly incarnation: number;
}

type Holding = Incarnation & { readonly amounts: Amounts };

/** For each incarnation, by {@link incarnationKey}: per resource, the largest amount of any of its holdings. */
export function mostByIncarnation(holdings: Iterable<Holding>): ReadonlyMap<string, Amounts> {
  const most = new Map<string, Amounts>();
  for (const holding of holdings) {
    const key = incarnationKey(holding);
    const before = most.get(key);
    most.set(key, before === undefined ? holding.amounts : larger(before, holding.amounts));
  }
  return most;
}

export function incarnationKey({ vmId, incarnation }: Incarnation): string {
  return `${vmId}#${incarnation}`;
}

/** Per resource, the larger of the two amounts. */
export function larger(a: Amounts, b: Amounts): Amounts {
  const out: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) out[name] = Math.max(out[name] ?? 0, amount);
  return out;
}

/** The free part of each limit; 0 where more is charged than a lowered limit allows. */
export function quotaFree(quota: Quota, charged = chargedAmounts(quota)): Amounts {
  return Object.fromEntries(
    Object.entries(quota.resources).map(([name, limit]) => [
      name,
      Math.max(0, limit - amountOf(charged, name)),
    ]),
  );
}

/** True when some limit is lower than before. A limit on a resource that had none is lower, too. */
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
