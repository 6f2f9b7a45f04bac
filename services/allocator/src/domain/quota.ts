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
export interface ChargeRequest {
  readonly vmId: string;
  readonly incarnation: number;
  readonly amounts: Amounts;
}

export interface QuotaPartition {
  readonly charged: readonly ChargeRequest[];
  readonly refused: readonly { readonly vmId: string; readonly misfit: Misfit }[];
}

/**
 * Which of these the quota has room for together, taken in order. While another may still use an older charge for the same VM
 * on the same state of the ledger, the larger of the two is held. A VM that moves holds on two chassis and counts once. Whoever
 * gave up its place has no claim to one of the same size by a charge that is not settled yet.
 */
export function partitionByQuota(
  quota: Quota,
  ledgers: KnownLedgers,
  chassisId: string,
  ledgerSeq: number,
  requests: readonly ChargeRequest[],
): QuotaPartition {
  const charged: ChargeRequest[] = [];
  const refused: { vmId: string; misfit: Misfit }[] = [];
  const settled = asSettled(quota, ledgers);
  const lives = new ChargedLives(settled);
  // Nobody takes what others give back before the books say so.
  const books = new ChargedLives(quota);
  for (const one of requests) {
    const key = chargeKey(one.vmId, chassisId);
    const present = quota.charges[key];
    const amounts = present?.ledgerSeq === ledgerSeq ? larger(present.amounts, one.amounts) : one.amounts;
    const charge = { ...one, chassisId, amounts };
    const { before, after, take } = lives.with(charge, settled.charges[key]);
    const inBooks = books.with(charge, present);
    const misfit = overQuota(quota, inBooks.others, before, after);
    if (misfit === undefined) {
      charged.push({ ...one, amounts });
      take();
      inBooks.take();
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
  ledgers: KnownLedgers,
  chassisId: string,
  ledgerSeq: number,
  requests: readonly ChargeRequest[],
): QuotaDecision {
  if (!quota.exists || isOutdated(quota, ledgers, chassisId, ledgerSeq, requests)) return UNCHANGED;
  const { charged } = partitionByQuota(quota, ledgers, chassisId, ledgerSeq, requests);
  if (charged.length === 0) return UNCHANGED;
  const charges = charged.map(({ vmId, incarnation, amounts }) => ({ vmId, incarnation, amounts }));
  return accept<QuotaEvent>({ type: "bioxen.quota.charged.v1", data: { chassisId, ledgerSeq, charges } });
}

/** That ledger is newer, or somebody has charged on a newer state of it: what is asked here could never be used. */
export function isOutdated(
  quota: Quota,
  ledgers: KnownLedgers,
  chassisId: string,
  ledgerSeq: number,
  requests: readonly ChargeRequest[],
): boolean {
  if (ledgers.ledger(chassisId).lastSeq > ledgerSeq) return true;
  return requests.some(({ vmId }) => (quota.charges[chargeKey(vmId, chassisId)]?.ledgerSeq ?? 0) > ledgerSeq);
}

/** A ledger as known, and its last sequence. */
export interface KnownLedger {
  readonly lastSeq: number;
  readonly ledger: Ledger;
}

export interface KnownLedgers {
  ledger(chassisId: string): KnownLedger;
}

export interface KnownWorld extends KnownLedgers {
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
export function decideSettleCharges(quota: QuotaState, ledgers: KnownLedgers): QuotaDecision {
  if (!quota.exists) return UNCHANGED;
  const settled = [...unsettled(quota, ledgers)];
  if (settled.length === 0) return UNCHANGED;
  const charges = settled
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { vmId, chassisId }, amounts]) => ({ vmId, chassisId, amounts }));
  return accept<QuotaEvent>({ type: "bioxen.quota.settled.v1", data: { charges } });
}

/** The quota as it will be once every charge whose ledger has moved on is settled. */
function asSettled(quota: Quota, ledgers: KnownLedgers): Quota {
  const charges: Record<string, QuotaCharge> = { ...quota.charges };
  for (const [key, charge, amounts] of unsettled(quota, ledgers)) {
    if (amounts === null) delete charges[key];
    else charges[key] = { ...charge, amounts };
  }
  return { ...quota, charges };
}

/** Charges, by key, whose ledger has moved on and holds something else, and what it holds; null: nothing. */
function* unsettled(quota: Quota, ledgers: KnownLedgers): Iterable<[string, QuotaCharge, Amounts | null]> {
  for (const [key, charge] of Object.entries(quota.charges)) {
    const { ledger, lastSeq } = ledgers.ledger(charge.chassisId);
    if (lastSeq <= charge.ledgerSeq) continue;
    const entry = ledger.entries[charge.vmId];
    const held = entry?.incarnation === charge.incarnation ? entry.amounts : null;
    if (held === null || !equalAmounts(held, charge.amounts)) yield [key, charge, held];
  }
}

/** Of them those that a newer `set` did not know, or that were charged before everything that is held was counted. */
export function underOldLimits(quota: Quota, ledgers: KnownLedgers): QuotaCharge[] {
  return openCharges(quota, ledgers).filter(({ chargedSeq }) => !quota.counted || chargedSeq < quota.setSeq);
}

/** Charges whose ledger has not moved on: each is used within a moment, or its charger is dead. */
export function openCharges(quota: Quota, ledgers: KnownLedgers): QuotaCharge[] {
  return Object.values(quota.charges).filter(
    ({ chassisId, ledgerSeq }) => ledgers.ledger(chassisId).lastSeq <= ledgerSeq,
  );
}
