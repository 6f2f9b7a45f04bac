/**
 * What may happen to the account of one chassis. The one place where capacity is given away.
 *
 * Whatever the scheduler proposes is checked again here, on the state the append is conditional on: a plan made on an
 * old view costs work, never capacity. Reservations are held until their VM runs (commit), ends (release) or takes too
 * long (expiry). A configuration that shrinks below what is held takes nothing away: the offer follows it down as
 * entries end, and is never below what is held.
 */
import {
  type Chassis,
  heldAmounts,
  isFollowedBy,
  type Ledger,
  type LedgerEntry,
  type LedgerEvent,
  type Misfit,
  misfitAmong,
  mismatchOf,
  type Neighbour,
  Neighbours,
  offeredOf,
  type PlacementDecision,
  type PlacementNeeds,
  type PlacementTerm,
  refuse,
  roomFor,
  roomOf,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, accept, add, amountOf, type Decision, equalAmounts, UNCHANGED } from "@bioxen/kernel";

export type LedgerDecision = Decision<LedgerEvent>;

/** Opens the account of a registered chassis, follows its configuration, closes that of one that was removed. */
export function decideFollowChassis(ledger: Ledger, chassis: Chassis | null): LedgerDecision {
  if (chassis === null) {
    if (!ledger.open || Object.keys(ledger.entries).length > 0) return UNCHANGED;
    return accept<LedgerEvent>({ type: "bioxen.ledger.closed.v1", data: {} });
  }
  const { chassisType, capacity, maxVms, oversubscribePermille } = chassis;
  const offered = atLeast(offeredOf(chassis), heldAmounts(ledger));
  const more = oversubscribePermille === undefined ? {} : { oversubscribePermille };
  const places = Math.max(maxVms, Object.keys(ledger.entries).length);
  if (!ledger.open) {
    return accept<LedgerEvent>({
      type: "bioxen.ledger.opened.v1",
      data: { chassisType, capacity, offered, maxVms: places, ...more },
    });
  }
  const same =
    equalAmounts(ledger.capacity, capacity) &&
    equalAmounts(ledger.offered, offered) &&
    equalAmounts(ledger.oversubscribePermille ?? {}, oversubscribePermille ?? {}) &&
    ledger.maxVms === places;
  if (same) return UNCHANGED;
  return accept<LedgerEvent>({
    type: "bioxen.ledger.capacity-changed.v1",
    data: { capacity, offered, maxVms: places, ...more },
  });
}

function atLeast(amounts: Amounts, least: Amounts): Amounts {
  const out: Record<string, number> = { ...amounts };
  for (const [name, amount] of Object.entries(least)) out[name] = Math.max(out[name] ?? 0, amount);
  return out;
}

export interface ProposedReservation {
  readonly vmId: string;
  readonly incarnation: number;
  readonly amounts: Amounts;
  /** Recorded as it is. */
  readonly decision?: PlacementDecision | undefined;
}

/** Who the VMs of a ledger are, and what its chassis is: what decides who may live there beside whom. */
export interface AffinityContext {
  readonly chassis: Chassis;
  /** undefined: not heard of here yet. */
  vm(vmId: string): (Neighbour & PlacementNeeds) | undefined;
  /** Is there another VM that the term means and that has a place, on whatever chassis? */
  hasPlacedMatch(term: PlacementTerm, vmId: string): boolean;
}

/**
 * Which of a plan's reservations this ledger can hold together, taken in the plan's order. Without a context capacity alone
 * is looked at.
 */
export function partitionByFit(
  chassisId: string,
  ledger: Ledger,
  proposed: readonly ProposedReservation[],
  affinity?: AffinityContext,
): { readonly fit: ProposedReservation[]; readonly refused: { vmId: string; misfit: Misfit }[] } {
  const fit: ProposedReservation[] = [];
  const refused: { vmId: string; misfit: Misfit }[] = [];
  const taken = new Set(Object.keys(ledger.entries));
  let room = ledger.open ? roomOf(ledger) : { free: {}, placesLeft: 0 };
  let neighbours = new Neighbours([...taken].flatMap((vmId) => affinity?.vm(vmId) ?? []));
  for (const one of proposed) {
    const misfit = !ledger.open
      ? { code: "CHASSIS_NOT_FOUND", message: `${chassisId} is not open` }
      : taken.has(one.vmId)
        ? { code: "CONFLICT", message: `${one.vmId} already has a reservation here` }
        : (roomFor(one.amounts, room) ?? affinityMisfit(chassisId, one, neighbours, affinity));
    if (misfit !== undefined) {
      refused.push({ vmId: one.vmId, misfit });
      continue;
    }
    taken.add(one.vmId);
    room = { free: takeFrom(room.free, one.amounts), placesLeft: room.placesLeft - 1 };
    const joining = affinity?.vm(one.vmId);
    if (joining !== undefined) neighbours = neighbours.with(joining);
    fit.push(one);
  }
  return { fit, refused };
}

/** Why it may not live there beside these, whatever room there is. */
function affinityMisfit(
  chassisId: string,
  { vmId }: ProposedReservation,
  neighbours: Neighbours,
  affinity: AffinityContext | undefined,
): Misfit | undefined {
  if (affinity === undefined) return undefined;
  const vm = affinity.vm(vmId);
  if (vm === undefined) return { code: "CONFLICT", message: `${vmId} is not known here yet` };
  return (
    mismatchOf(vm, chassisId, affinity.chassis) ??
    misfitAmong(vm, neighbours, (term) => affinity.hasPlacedMatch(term, vmId))
  );
}

function takeFrom(free: Amounts, amounts: Amounts): Amounts {
  const left: Record<string, number> = { ...free };
  for (const [name, amount] of Object.entries(amounts)) left[name] = (left[name] ?? 0) - amount;
  return left;
}

/** A scheduler's plan for one ledger. */
export interface Proposal {
  readonly planId: string;
  readonly reservations: readonly ProposedReservation[];
  readonly expiresAtMs: number;
  /** Of the lease it was proposed under; absent: by a scheduler that knows no leases. */
  readonly proposerToken?: number | undefined;
}

/**
 * Takes what fits, and nothing at all from a proposer whose lease is older than one that has reserved already: it plans on what
 * it knew before it was succeeded. `newestHeard` is the newest token in any ledger as known here. In one ledger a stale proposer
 * never gets through, the append being conditional on it; in another ledger it may until the news has come round, and what it
 * then reserves for a VM that has a place is given back (`verdict.ts`).
 */
export function decideReserve(
  chassisId: string,
  ledger: Ledger,
  proposal: Proposal,
  newestHeard = 0,
  affinity?: AffinityContext,
): LedgerDecision {
  const { planId, reservations, expiresAtMs, proposerToken } = proposal;
  const newestToken = Math.max(ledger.proposerToken, newestHeard);
  if ((proposerToken ?? 0) < newestToken) {
    const message = `the proposal for ${chassisId} carries lease ${proposerToken ?? "none"}, lease ${newestToken} has reserved since`;
    return refuse("CONFLICT", message, { details: { chassisId, newestToken } });
  }
  const { fit } = partitionByFit(chassisId, ledger, reservations, affinity);
  if (fit.length === 0) return UNCHANGED;
  return accept<LedgerEvent>({
    type: "bioxen.ledger.reserved.v1",
    data: {
      planId,
      reservations: fit,
      expiresAtMs,
      ...(proposerToken === undefined ? {} : { proposerToken }),
    },
  });
}

/** All or nothing: the whole new vector is free beside what the others hold, or nothing changes. */
export function decideResize(
  chassisId: string,
  ledger: Ledger,
  vmId: string,
  fence: number,
  amounts: Amounts,
): LedgerDecision {
  const entry = ledger.entries[vmId];
  if (entry?.fence !== fence) {
    return refuse("CONFLICT", `${vmId} has no such reservation on ${chassisId}`, { retryable: true });
  }
  if (equalAmounts(entry.amounts, amounts)) return UNCHANGED;
  const growth: Record<string, number> = {};
  for (const [name, amount] of Object.entries(amounts)) {
    if (amount > (entry.amounts[name] ?? 0)) growth[name] = amount;
  }
  const { free } = roomOf(ledger);
  const misfit = roomFor(growth, { free: add(free, entry.amounts), placesLeft: 1 });
  if (misfit !== undefined) {
    const { resource, requested, free: left } = misfit;
    return refuse("CAPACITY_EXCEEDED", `${chassisId}: ${misfit.message}`, {
      retryable: true,
      details: { chassisId, resource, requested, free: left },
    });
  }
  return accept<LedgerEvent>({ type: "bioxen.ledger.resized.v1", data: { vmId, fence, amounts } });
}

/**
 * An expiry waits this much longer than the instant it promises, ms. Lifecycle takes no place after that instant, so
 * one that is being taken, or a clock that is off by less, rarely meets an expiry; where they meet the VM is displaced.
 */
export const EXPIRY_GRACE_MS = 10_000;

/** `keep`: its VM has not taken it, and it may expire. `hold`: its VM has it, and only the VM's story ends it. */
export type EntryVerdict = "keep" | "hold" | "commit" | "release";

/**
 * Follows a preemption down: the VM has given it up already, so no order of the two is unsafe but this one. Nothing ever grows
 * here.
 */
export function decideFollowPreemption(ledger: Ledger, vmOf: (vmId: string) => VmState): LedgerDecision {
  for (const entry of entriesInOrder(ledger)) {
    const vm = vmOf(entry.vmId);
    if (!vm.exists || vm.fence !== entry.fence || isFollowedBy(vm, entry)) continue;
    const kept = vm.allocation ?? {};
    const amounts = Object.fromEntries(
      Object.entries(entry.amounts).map(([name, held]) => [name, Math.min(held, amountOf(kept, name))]),
    );
    const { vmId, fence } = entry;
    return accept<LedgerEvent>({ type: "bioxen.ledger.resized.v1", data: { vmId, fence, amounts } });
  }
  return UNCHANGED;
}

function entriesInOrder(ledger: Ledger): LedgerEntry[] {
  return Object.values(ledger.entries).sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
}

/** Everything that is due on the entries of one ledger, one event at a time: releases, expiries, commits. */
export function decideSettle(
  ledger: Ledger,
  verdict: (entry: LedgerEntry) => EntryVerdict,
  nowMs: number,
  expiresFromMs = expiresFrom,
): LedgerDecision {
  const entries = entriesInOrder(ledger);
  const keys = (some: readonly LedgerEntry[]) => some.map(({ vmId, fence }) => ({ vmId, fence }));
  const released = entries.filter((entry) => verdict(entry) === "release");
  if (released.length > 0) {
    return accept<LedgerEvent>({
      type: "bioxen.ledger.released.v1",
      data: { entries: keys(released), reason: "its VM does not use it any more" },
    });
  }
  const committed = entries.filter((entry) => entry.phase === "reserved" && verdict(entry) === "commit");
  if (committed.length > 0) {
    return accept<LedgerEvent>({ type: "bioxen.ledger.committed.v1", data: { entries: keys(committed) } });
  }
  const expired = entries.filter((entry) => mayExpire(entry, verdict) && expiresFromMs(entry) <= nowMs);
  if (expired.length === 0) return UNCHANGED;
  return accept<LedgerEvent>({ type: "bioxen.ledger.expired.v1", data: { entries: keys(expired) } });
}

/** Only a reservation that its VM has not taken: the end of one it took is the VM's to decide. */
function mayExpire(entry: LedgerEntry, verdict: (entry: LedgerEntry) => EntryVerdict): boolean {
  return entry.phase === "reserved" && verdict(entry) === "keep";
}

/** From when on it may expire, by the wall clock. */
export function expiresFrom(entry: LedgerEntry): number {
  return entry.expiresAtMs === null ? Number.POSITIVE_INFINITY : entry.expiresAtMs + EXPIRY_GRACE_MS;
}

/** When the next reservation runs out; undefined when none can. */
export function nextExpiryAtMs(
  ledger: Ledger,
  verdict: (entry: LedgerEntry) => EntryVerdict,
  expiresFromMs = expiresFrom,
): number | undefined {
  const waiting = Object.values(ledger.entries).filter((entry) => mayExpire(entry, verdict));
  const next = Math.min(...waiting.map(expiresFromMs));
  return Number.isFinite(next) ? next : undefined;
}
