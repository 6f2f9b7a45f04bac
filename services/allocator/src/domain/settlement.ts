/**
 * How the entries of a ledger end: a reservation is committed once its VM runs, released once its VM gives it up, and
 * expires when its VM does not take it in time.
 */
import {
  isFollowedBy,
  type Ledger,
  type LedgerEntry,
  type LedgerEvent,
  type VmState,
} from "@bioxen/contracts";
import { accept, amountOf, type Decision, UNCHANGED } from "@bioxen/kernel";

/**
 * Delay of an expiry after the instant that the reservation names, ms. After that instant lifecycle lets no VM take the
 * reservation. The delay covers a VM that is just taking its reservation, and clocks that differ by less than the
 * delay. If a reservation nevertheless expires after its VM has taken it, the VM is displaced.
 */
export const EXPIRY_GRACE_MS = 10_000;

/**
 * Maximum number of entries that one event names, so that the event fits in a message of 64 KB. An entry takes 110
 * bytes at most. The next event names further entries.
 */
export const MAX_SETTLED_ENTRIES = 500;

/**
 * The verdict on an entry by the VM's own events. `keep`: the VM has not taken the reservation, so that it may expire.
 * `hold`: the VM has taken it, and only the VM's events end it. `commit`: the VM runs on it. `release`: the VM no
 * longer uses it.
 */
export type EntryVerdict = "keep" | "hold" | "commit" | "release";

export type VerdictOf = (entry: LedgerEntry) => EntryVerdict;

/**
 * Decides what is due on the entries of one ledger, one kind of event at a time: releases, then commits, then expiries.
 */
export function decideSettle(
  ledger: Ledger,
  facts: {
    readonly verdictOf: VerdictOf;
    readonly nowMs: number;
    readonly expiresFromMs?: ((entry: LedgerEntry) => number) | undefined;
  },
): Decision<LedgerEvent> {
  const { verdictOf, nowMs, expiresFromMs = expiresFrom } = facts;
  const entries = entriesInOrder(ledger);
  const keys = (some: readonly LedgerEntry[]) =>
    some.slice(0, MAX_SETTLED_ENTRIES).map(({ vmId, fence }) => ({ vmId, fence }));
  const released = entries.filter((entry) => verdictOf(entry) === "release");
  if (released.length > 0) {
    return accept<LedgerEvent>({
      type: "bioxen.ledger.released.v1",
      data: { entries: keys(released), reason: "the VM no longer uses it" },
    });
  }
  const committed = entries.filter((entry) => entry.phase === "reserved" && verdictOf(entry) === "commit");
  if (committed.length > 0) {
    return accept<LedgerEvent>({ type: "bioxen.ledger.committed.v1", data: { entries: keys(committed) } });
  }
  const expired = entries.filter((entry) => mayExpire(entry, verdictOf) && expiresFromMs(entry) <= nowMs);
  if (expired.length === 0) return UNCHANGED;
  return accept<LedgerEvent>({ type: "bioxen.ledger.expired.v1", data: { entries: keys(expired) } });
}

/**
 * Lowers an entry to what its preempted VM has kept. The VM gives up first and the ledger follows, because the opposite
 * order would offer resources that the VM still uses. An entry never grows here.
 */
export function decideFollowPreemption(
  ledger: Ledger,
  vmOf: (vmId: string) => VmState,
): Decision<LedgerEvent> {
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

/**
 * True for a reservation that its VM has not taken. A reservation that was taken is ended only by the VM's own events.
 */
function mayExpire(entry: LedgerEntry, verdictOf: VerdictOf): boolean {
  return entry.phase === "reserved" && verdictOf(entry) === "keep";
}

/** Returns the earliest instant at which the entry may expire, ms of the wall clock; infinity for an allocation. */
export function expiresFrom(entry: LedgerEntry): number {
  return entry.expiresAtMs === null ? Number.POSITIVE_INFINITY : entry.expiresAtMs + EXPIRY_GRACE_MS;
}

/** Returns the instant at which the next reservation of the ledger expires, ms; undefined when none can expire. */
export function nextExpiryAtMs(
  ledger: Ledger,
  verdictOf: VerdictOf,
  expiresFromMs = expiresFrom,
): number | undefined {
  const waiting = Object.values(ledger.entries).filter((entry) => mayExpire(entry, verdictOf));
  const next = Math.min(...waiting.map(expiresFromMs));
  return Number.isFinite(next) ? next : undefined;
}
