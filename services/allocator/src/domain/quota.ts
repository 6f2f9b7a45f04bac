/**
 * The rules of a quota. Room under a quota is given away here and nowhere else.
 *
 * A charge precedes the append that it covers: a ledger reserves or grows only on a charge for exactly its present
 * state (`ledgerSeq`). Once that ledger has a newer event, the charge is either in use or void, even if a process
 * crashed in between. The charge is then settled: set to the amounts that the ledger holds. A quota never takes
 * anything away. Under a lowered limit, VMs keep what they hold and cannot grow.
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
  quotaFold,
  refuse,
} from "@bioxen/contracts";
import {
  type Amounts,
  accept,
  amountOf,
  type CommandOf,
  type Decision,
  deciderOf,
  equalAmounts,
  fits,
  UNCHANGED,
} from "@bioxen/kernel";
import { ChargedIncarnations } from "./charged-incarnations.ts";

/** Maximum number of quotas that can exist. Every change of a ledger reads each of them. */
export const MAX_QUOTAS = 1_000;
/**
 * Maximum number of charges in one event that counts held amounts or settles charges, so that the event fits in a
 * message of 64 KB. A charge takes 350 bytes at most. The next event names further charges.
 */
export const MAX_CHARGES_PER_EVENT = 150;

export type QuotaCommand =
  | {
      readonly type: "set";
      readonly label: string;
      readonly resources: Amounts;
      /** Number of quotas that exist. */
      readonly quotas: number;
    }
  | ({ readonly type: "charge"; readonly ledgers: KnownLedgers } & Charge)
  | { readonly type: "enforce"; readonly world: KnownWorld }
  | { readonly type: "settle"; readonly ledgers: KnownLedgers }
  | {
      readonly type: "follow-owners";
      readonly ledgers: KnownLedgers;
      readonly holdings: readonly OwnedHolding[];
    };

type QuotaDecision = Decision<QuotaEvent>;

/** A ledger in the state that this instance knows, and the sequence of its last event. */
export interface KnownLedger {
  readonly lastSeq: number;
  readonly ledger: Ledger;
}

export interface KnownLedgers {
  ledger(chassisId: string): KnownLedger;
}

export interface KnownWorld extends KnownLedgers {
  /**
   * Returns every ledger entry of a VM that carries the label. Each ledger is read in a state after the quota's first
   * event.
   */
  holders(label: string): Iterable<Pick<QuotaCharge, "vmId" | "incarnation" | "chassisId">>;
}

/** A VM with an entry in the ledger of a chassis, or a charge for one. `isOwn`: the quota limits the VM's owner. */
export interface OwnedHolding {
  readonly vmId: string;
  readonly incarnation: number;
  readonly chassisId: string;
  readonly isOwn: boolean;
}

/** The amounts requested for a VM on one chassis: the total, not the increase. */
export interface ChargeRequest {
  readonly vmId: string;
  readonly incarnation: number;
  readonly amounts: Amounts;
}

/** Requests for one append to the ledger of `chassisId` in its state after `ledgerSeq`. */
export interface Charge {
  readonly chassisId: string;
  readonly ledgerSeq: number;
  readonly requests: readonly ChargeRequest[];
}

export const quotaDecider = deciderOf<QuotaState, QuotaCommand, QuotaEvent>(quotaFold, {
  set: decideSet,
  charge: decideCharge,
  enforce: (quota, { world }) => decideEnforce(quota, world),
  settle: (quota, { ledgers }) => decideSettle(quota, ledgers),
  "follow-owners": (quota, { ledgers, holdings }) => decideFollowOwners(quota, ledgers, holdings),
});

function decideSet(
  quota: QuotaState,
  { label, resources, quotas }: CommandOf<QuotaCommand, "set">,
): QuotaDecision {
  if (!quota.exists && quotas >= MAX_QUOTAS) {
    const details = { limit: MAX_QUOTAS };
    return refuse("TOO_LARGE", `quota limit reached (${MAX_QUOTAS}): change an existing quota`, { details });
  }
  if (quota.exists && equalLimits(quota.resources, resources)) return UNCHANGED;
  return accept<QuotaEvent>({ type: "bioxen.quota.set.v1", data: { label, resources } });
}

/**
 * True when `a` and `b` have the same limits. Unlike `equalAmounts`, this function distinguishes a limit of 0 from no
 * limit.
 */
function equalLimits(a: Amounts, b: Amounts): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

function decideCharge(
  quota: QuotaState,
  { ledgers, chassisId, ledgerSeq, requests }: CommandOf<QuotaCommand, "charge">,
): QuotaDecision {
  const charge = { chassisId, ledgerSeq, requests };
  if (!quota.exists || isOutdated(quota, ledgers, charge)) return UNCHANGED;
  const { charged } = partitionByQuota(quota, ledgers, charge);
  if (charged.length === 0) return UNCHANGED;
  const charges = charged.map(({ vmId, incarnation, amounts }) => ({ vmId, incarnation, amounts }));
  return accept<QuotaEvent>({ type: "bioxen.quota.charged.v1", data: { chassisId, ledgerSeq, charges } });
}

/**
 * True when a charge for these requests could never be used: the ledger has an event after `ledgerSeq`, or one of these
 * VMs has a charge for a newer state of the ledger.
 */
export function isOutdated(
  quota: Quota,
  ledgers: KnownLedgers,
  { chassisId, ledgerSeq, requests }: Charge,
): boolean {
  if (ledgers.ledger(chassisId).lastSeq > ledgerSeq) return true;
  return requests.some(({ vmId }) => (quota.charges[chargeKey(vmId, chassisId)]?.ledgerSeq ?? 0) > ledgerSeq);
}

/**
 * True when the quota holds a charge that covers these amounts. The charge must be valid for an append to the ledger
 * whose last event is `ledgerSeq`.
 */
export function isCharged(
  quota: Quota,
  { chassisId, ledgerSeq }: Charge,
  { vmId, incarnation, amounts }: ChargeRequest,
): boolean {
  const charge = quota.charges[chargeKey(vmId, chassisId)];
  return (
    charge?.ledgerSeq === ledgerSeq && charge.incarnation === incarnation && fits(amounts, charge.amounts)
  );
}

export interface QuotaPartition {
  readonly charged: readonly ChargeRequest[];
  readonly refused: readonly { readonly vmId: string; readonly misfit: Misfit }[];
}

/**
 * Divides the requests into `charged`, which all fit under the quota together, and `refused`, each with the reason.
 * Earlier requests take precedence over later ones.
 *
 * Another process may still use an older charge for the same VM on the same state of the ledger. Each resource is then
 * charged with the larger of the older and the requested amount. A VM that moves holds resources on two chassis and
 * counts once. A VM that gave up its place competes for room like any other VM, even while the charge for that place is
 * not settled yet.
 */
export function partitionByQuota(
  quota: Quota,
  ledgers: KnownLedgers,
  { chassisId, ledgerSeq, requests }: Charge,
): QuotaPartition {
  const charged: ChargeRequest[] = [];
  const refused: { vmId: string; misfit: Misfit }[] = [];
  const settled = asSettled(quota, ledgers);
  const settledTotals = new ChargedIncarnations(settled);
  // Unsettled charges count in full: what other VMs have given up is free only once their charges are settled.
  const chargedTotals = new ChargedIncarnations(quota);
  for (const one of requests) {
    const key = chargeKey(one.vmId, chassisId);
    const present = quota.charges[key];
    const amounts = present?.ledgerSeq === ledgerSeq ? larger(present.amounts, one.amounts) : one.amounts;
    const charge = { ...one, chassisId, amounts };
    const { before, after, apply } = settledTotals.with(charge, settled.charges[key]);
    const total = chargedTotals.with(charge, present);
    const misfit = overQuota(quota, total.others, before, after);
    if (misfit === undefined) {
      charged.push({ ...one, amounts });
      apply();
      total.apply();
    } else refused.push({ vmId: one.vmId, misfit });
  }
  return { charged, refused };
}

/** Returns why the quota refuses the change; undefined when it does not. Only growth is refused. */
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

/**
 * Records the amounts that VMs already hold, for many VMs in several events. The limits are enforced from the last of
 * these events on. For the first enforcement of a quota, every open ledger must have an event after the quota's first
 * event. No allocator then reserves without knowledge of the quota. Enforcement begins only when no charge made under
 * the former limits can still be used.
 */
function decideEnforce(quota: QuotaState, world: KnownWorld): QuotaDecision {
  if (!quota.exists || quota.enforced || chargesUnderOldLimits(quota, world).length > 0) return UNCHANGED;
  const charges = [...world.holders(quota.label)].flatMap(({ vmId, incarnation, chassisId }) => {
    const charge = quota.charges[chargeKey(vmId, chassisId)];
    const { ledger, lastSeq } = world.ledger(chassisId);
    const entry = ledger.entries[vmId];
    // A charge that may still be used stays as it is until it is settled.
    if (entry?.incarnation !== incarnation || lastSeq <= (charge?.ledgerSeq ?? 0)) return [];
    if (charge?.incarnation === incarnation && equalAmounts(charge.amounts, entry.amounts)) return [];
    return [{ vmId, incarnation, chassisId, amounts: entry.amounts }];
  });
  const isPartial = charges.length > MAX_CHARGES_PER_EVENT;
  const data = isPartial
    ? { charges: charges.slice(0, MAX_CHARGES_PER_EVENT), partial: true as const }
    : { charges };
  return accept<QuotaEvent>({ type: "bioxen.quota.enforced.v1", data });
}

/** Settles every charge whose ledger has a newer event: the ledger's amounts replace the charged amounts. */
function decideSettle(quota: QuotaState, ledgers: KnownLedgers): QuotaDecision {
  if (!quota.exists) return UNCHANGED;
  const settled = [...unsettled(quota, ledgers)];
  if (settled.length === 0) return UNCHANGED;
  const charges = settled
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, MAX_CHARGES_PER_EVENT)
    .map(([, { vmId, chassisId }, amounts]) => ({ vmId, chassisId, amounts }));
  return accept<QuotaEvent>({ type: "bioxen.quota.settled.v1", data: { charges } });
}

/**
 * Ends the charges of VMs that were given to another owner, and charges what VMs hold that were given to the owner of
 * this quota, also above its limits: a quota never takes anything away. A charge that may still be used stays.
 */
function decideFollowOwners(
  quota: QuotaState,
  ledgers: KnownLedgers,
  holdings: readonly OwnedHolding[],
): QuotaDecision {
  // A quota that is not counted yet counts all holders itself.
  if (!quota.exists || !quota.counted) return UNCHANGED;
  const chargeOf = ({ vmId, chassisId }: OwnedHolding) => quota.charges[chargeKey(vmId, chassisId)];
  const isClosed = (charge: QuotaCharge) => ledgers.ledger(charge.chassisId).lastSeq > charge.ledgerSeq;
  const given = holdings.filter((one) => {
    const charge = chargeOf(one);
    return !one.isOwn && charge?.incarnation === one.incarnation && isClosed(charge);
  });
  if (given.length > 0) {
    const charges = given
      .slice(0, MAX_CHARGES_PER_EVENT)
      .map(({ vmId, chassisId }) => ({ vmId, chassisId, amounts: null }));
    return accept<QuotaEvent>({ type: "bioxen.quota.settled.v1", data: { charges } });
  }
  const taken = holdings.flatMap((one) => {
    const { vmId, incarnation, chassisId } = one;
    const entry = ledgers.ledger(chassisId).ledger.entries[vmId];
    if (!one.isOwn || chargeOf(one) !== undefined || entry?.incarnation !== incarnation) return [];
    return [{ vmId, incarnation, chassisId, amounts: entry.amounts }];
  });
  if (taken.length === 0) return UNCHANGED;
  const isLast = quota.enforced && taken.length <= MAX_CHARGES_PER_EVENT;
  const charges = taken.slice(0, MAX_CHARGES_PER_EVENT);
  return accept<QuotaEvent>({
    type: "bioxen.quota.enforced.v1",
    data: isLast ? { charges } : { charges, partial: true },
  });
}

/** Returns the quota as it will be once every charge whose ledger has a newer event is settled. */
function asSettled(quota: Quota, ledgers: KnownLedgers): Quota {
  const charges: Record<string, QuotaCharge> = { ...quota.charges };
  for (const [key, charge, amounts] of unsettled(quota, ledgers)) {
    if (amounts === null) delete charges[key];
    else charges[key] = { ...charge, amounts };
  }
  return { ...quota, charges };
}

/**
 * Yields each charge whose ledger has a newer event, unless the ledger's entry has exactly the charged amounts. Each
 * item consists of the charge's key, the charge, and the amounts of the ledger's entry (null without an entry).
 */
function* unsettled(quota: Quota, ledgers: KnownLedgers): Iterable<[string, QuotaCharge, Amounts | null]> {
  for (const [key, charge] of Object.entries(quota.charges)) {
    const { ledger, lastSeq } = ledgers.ledger(charge.chassisId);
    if (lastSeq <= charge.ledgerSeq) continue;
    const entry = ledger.entries[charge.vmId];
    const held = entry?.incarnation === charge.incarnation ? entry.amounts : null;
    if (held === null || !equalAmounts(held, charge.amounts)) yield [key, charge, held];
  }
}

/** Returns the open charges that were made before the limits were last set, or before the quota was first counted. */
export function chargesUnderOldLimits(quota: Quota, ledgers: KnownLedgers): QuotaCharge[] {
  return openCharges(quota, ledgers).filter(({ chargedSeq }) => !quota.counted || chargedSeq < quota.setSeq);
}

/** Returns the charges whose ledger has no newer event: the allocator is about to use them, or has crashed. */
export function openCharges(quota: Quota, ledgers: KnownLedgers): QuotaCharge[] {
  return Object.values(quota.charges).filter(
    ({ chassisId, ledgerSeq }) => ledgers.ledger(chassisId).lastSeq <= ledgerSeq,
  );
}
