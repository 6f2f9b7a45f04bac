/**
 * What may happen to a quota. The one place where room under it is given away.
 *
 * A charge comes before what it is for: a ledger reserves or grows only on a charge of this very moment of that ledger
 * (`ledgerSeq`), so that a charge is either in use or void as soon as the ledger has moved on, whoever died in between.
 * Then it is settled: it becomes what the ledger holds. Nothing here takes anything away: a limit that is lowered below
 * what is charged only lets nobody grow.
 */
import {
  chargeKey,
  type Ledger,
  larger,
  type Misfit,
  type Quota,
  type QuotaCharge,
  type QuotaEvent,
  type QuotaState,
} from "@bioxen/contracts";
import { type Amounts, accept, amountOf, type Decision, equalAmounts, UNCHANGED } from "@bioxen/kernel";
import { ChargedLives } from "./charged-lives.ts";

export type QuotaDecision = Decision<QuotaEvent>;

export function decideSet(quota: QuotaState, label: string, resources: Amounts): QuotaDecision {
  if (quota.exists && equalLimits(quota.resources, resources)) return UNCHANGED;
  return accept<QuotaEvent>({ type: "bioxen.quota.set.v1", data: { label, resources } });
}

/** A limit of 0 is not the same as none. */
function equalLimits(a: Amounts, b: Amounts): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** What a VM is to hold on a chassis, all of it. */
export interface Wanted {
  readonly vmId: string;
  readonly incarnation: number;
  readonly amounts: Amounts;
}

export interface ChargedOut {
  readonly charged: readonly Wanted[];
  readonly refused: readonly { readonly vmId: string; readonly misfit: Misfit }[];
}

/**
 * Which of these the quota has room for together, taken in order. While another may still use an older charge for the same VM
 * on the same state of the ledger, the larger of the two is held. A VM that moves holds on two chassis and counts once.
 */
export function chargeOut(
  quota: Quota,
  chassisId: string,
  ledgerSeq: number,
  wanted: readonly Wanted[],
): ChargedOut {
  const charged: Wanted[] = [];
  const refused: { vmId: string; misfit: Misfit }[] = [];
  const lives = new ChargedLives(quota);
  for (const one of wanted) {
    const present = quota.charges[chargeKey(one.vmId, chassisId)];
    const amounts = present?.ledgerSeq === ledgerSeq ? larger(present.amounts, one.amounts) : one.amounts;
    const { before, after, others, take } = lives.with({ ...one, chassisId, amounts }, present);
    const misfit = overQuota(quota, others, before, after);
    if (misfit === undefined) {
      charged.push({ ...one, amounts });
      take();
    } else refused.push({ vmId: one.vmId, misfit });
  }
  return { charged, refused };
}

/** Only what grows is refused. */
function overQuota(quota: Quota, others: Amounts, before: Amounts, after: Amounts): Misfit | undefined {
  for (const resource of Object.keys(quota.resources).sort()) {
    const limit = amountOf(quota.resources, resource);
    const requested = amountOf(after, resource);
    if (requested <= amountOf(before, resource)) continue;
    const free = Math.max(0, limit - amountOf(others, resource));
    if (requested <= free) continue;
    const message = `quota ${quota.label}: ${resource} ${requested} asked, ${free} of ${limit} free`;
    return { code: "QUOTA_EXCEEDED", message, resource, requested, free };
  }
  return undefined;
}

/** `ledgerSeq`: the sequence of the ledger's state for which this is charged. A charge for a newer state stands. */
export function decideCharge(
  quota: QuotaState,
  chassisId: string,
  ledgerSeq: number,
  wanted: readonly Wanted[],
): QuotaDecision {
  if (!quota.exists || isOutdated(quota, chassisId, ledgerSeq, wanted)) return UNCHANGED;
  const { charged } = chargeOut(quota, chassisId, ledgerSeq, wanted);
  if (charged.length === 0) return UNCHANGED;
  const charges = charged.map(({ vmId, incarnation, amounts }) => ({ vmId, incarnation, amounts }));
  return accept<QuotaEvent>({ type: "bioxen.quota.charged.v1", data: { chassisId, ledgerSeq, charges } });
}

/** Somebody has charged on a newer state of that ledger: what is asked here could never be used. */
export function isOutdated(
  quota: Quota,
  chassisId: string,
  ledgerSeq: number,
  wanted: readonly Wanted[],
): boolean {
  return wanted.some(({ vmId }) => (quota.charges[chargeKey(vmId, chassisId)]?.ledgerSeq ?? 0) > ledgerSeq);
}

/** A ledger as known, and its last sequence. */
export interface KnownLedger {
  readonly lastSeq: number;
  readonly ledger: Ledger;
}

export interface KnownWorld {
  ledger(chassisId: string): KnownLedger;
  /** Every entry of a VM that carries the label, of a state of the ledgers that is not older than their fences. */
  holders(label: string): Iterable<Pick<QuotaCharge, "vmId" | "incarnation" | "chassisId">>;
}

/**
 * To be asked of a quota that is not counted once every open ledger has an event after its first: nobody reserves any more who does
 * not know of it. What was charged under the limits before and may still be used is waited for.
 */
export function decideEnforce(quota: QuotaState, world: KnownWorld): QuotaDecision {
  if (!quota.exists || quota.enforced || underOldLimits(quota, world).length > 0) return UNCHANGED;
  const charges = [...world.holders(quota.label)].flatMap(({ vmId, incarnation, chassisId }) => {
    const charge = quota.charges[chargeKey(vmId, chassisId)];
    const { ledger, lastSeq } = world.ledger(chassisId);
    const entry = ledger.entries[vmId];
    // A charge that may still be used stands; it is settled later.
    if (entry?.incarnation !== incarnation || lastSeq <= (charge?.ledgerSeq ?? 0)) return [];
    return [{ vmId, incarnation, chassisId, amounts: entry.amounts }];
  });
  return accept<QuotaEvent>({ type: "bioxen.quota.enforced.v1", data: { charges } });
}

/** Charges that are no longer for anything to come become what their ledgers hold. */
export function decideSettleCharges(quota: QuotaState, world: KnownWorld): QuotaDecision {
  if (!quota.exists) return UNCHANGED;
  const settled: Extract<QuotaEvent, { type: "bioxen.quota.settled.v1" }>["data"]["charges"] = [];
  for (const key of Object.keys(quota.charges).sort()) {
    const charge = quota.charges[key];
    if (charge === undefined) continue;
    const { vmId, chassisId } = charge;
    const { ledger, lastSeq } = world.ledger(chassisId);
    if (lastSeq <= charge.ledgerSeq) continue;
    const entry = ledger.entries[vmId];
    const held = entry?.incarnation === charge.incarnation ? entry.amounts : null;
    if (held !== null && equalAmounts(held, charge.amounts)) continue;
    settled.push({ vmId, chassisId, amounts: held });
  }
  if (settled.length === 0) return UNCHANGED;
  return accept<QuotaEvent>({ type: "bioxen.quota.settled.v1", data: { charges: settled } });
}

/** Of them those that a newer `set` did not know, or that were charged before everything that is held was counted. */
export function underOldLimits(quota: Quota, world: KnownWorld): QuotaCharge[] {
  return openCharges(quota, world).filter(({ chargedSeq }) => !quota.counted || chargedSeq < quota.setSeq);
}

/** Charges whose ledger has not moved on: each is used within a moment, or its charger is dead. */
export function openCharges(quota: Quota, world: KnownWorld): QuotaCharge[] {
  return Object.values(quota.charges).filter(
    ({ chassisId, ledgerSeq }) => world.ledger(chassisId).lastSeq <= ledgerSeq,
  );
}
