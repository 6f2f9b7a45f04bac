/**
 * Folds the events of a quota into its state: its limits, and the charges against them.
 */
import { type Amounts, amountOf, type Fold, sum } from "@bioxen/kernel";
import type { QuotaEvent } from "../events/quota.ts";

export interface QuotaCharge {
  readonly vmId: string;
  readonly incarnation: number;
  readonly chassisId: string;
  readonly amounts: Amounts;
  /**
   * Sequence of the latest event of the chassis' ledger when the charge was made. The charge permits only the append
   * that directly follows this event. Once the ledger has a later event, the charge permits no append.
   */
  readonly ledgerSeq: number;
  /** Log sequence of the event that made the charge. */
  readonly chargedSeq: number;
  /** Time of the event that made the charge, epoch ms. */
  readonly chargedAtMs: number;
}

export interface Quota {
  readonly exists: true;
  readonly label: string;
  /** The limit of each resource. A resource without an entry is unlimited. */
  readonly resources: Amounts;
  /**
   * Log sequence of the first `set` event of this quota. Once a ledger has a later event, only service instances that
   * know this quota can change that ledger.
   */
  readonly firstSeq: number;
  /** Version of the quota at its latest `set` event. Charges, which follow the VMs, do not change it. */
  readonly version: number;
  /** Log sequence of the latest `set` event. Charges before it were made under other limits. */
  readonly setSeq: number;
  /** True once the ledger entries from before the first `set` event are charged, too. */
  readonly counted: boolean;
  /** True while the limits are in force: no command in progress can raise the charged sum above them. */
  readonly enforced: boolean;
  /** The charges, by {@link chargeKey}. A VM that is moving has a charge on two chassis. */
  readonly charges: Readonly<Record<string, QuotaCharge>>;
}

export type QuotaState = { readonly exists: false } | Quota;

export const NO_QUOTA: QuotaState = Object.freeze({ exists: false });

export function chargeKey(vmId: string, chassisId: string): string {
  return `${vmId}/${chassisId}`;
}

/**
 * Returns the sum of all charges of a quota. A VM that is charged on two chassis while it moves counts once: for each
 * resource, the larger of its two amounts.
 */
export function chargedAmounts(quota: Quota): Amounts {
  return sum(mostByIncarnation(Object.values(quota.charges)).values());
}

interface Incarnation {
  readonly vmId: string;
  readonly incarnation: number;
}

type Holding = Incarnation & { readonly amounts: Amounts };

/**
 * Returns the largest amount of each resource among the holdings of an incarnation, for every incarnation in
 * `holdings`. The key is the {@link incarnationKey}.
 */
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

/** Returns, for each resource of `a` or `b`, the larger of the two amounts. */
export function larger(a: Amounts, b: Amounts): Amounts {
  const out: Record<string, number> = { ...a };
  for (const [name, amount] of Object.entries(b)) out[name] = Math.max(out[name] ?? 0, amount);
  return out;
}

/**
 * Returns, for each limited resource, the limit minus the charged amount. The result is 0 if a lowered limit is below
 * the charged amount.
 */
export function quotaFree(quota: Quota, charged = chargedAmounts(quota)): Amounts {
  return Object.fromEntries(
    Object.entries(quota.resources).map(([name, limit]) => [
      name,
      Math.max(0, limit - amountOf(charged, name)),
    ]),
  );
}

/** Returns true when at least one limit is lower than before. A new limit on an unlimited resource counts as lower. */
function isLower(limits: Amounts, before: Amounts): boolean {
  return Object.entries(limits).some(([name, limit]) => limit < (before[name] ?? Number.POSITIVE_INFINITY));
}

export const quotaFold: Fold<QuotaState> = {
  schema: 3,
  initial: NO_QUOTA,
  evolve(quota, untyped, at) {
    const event = untyped as QuotaEvent;
    if (event.type === "bioxen.quota.set.v1") {
      const { label, resources } = event.data;
      if (quota.exists) {
        const enforced = quota.enforced && !isLower(resources, quota.resources);
        return { ...quota, resources, version: at.version, setSeq: at.seq, enforced };
      }
      const firsts = { firstSeq: at.seq, setSeq: at.seq, counted: false, enforced: false };
      return { exists: true, label, resources, version: at.version, ...firsts, charges: {} };
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
        return event.data.partial
          ? { ...quota, charges }
          : { ...quota, charges, counted: true, enforced: true };
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
