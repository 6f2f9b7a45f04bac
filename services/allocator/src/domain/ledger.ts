/**
 * The rules of a ledger, the account of one chassis. Capacity is given away here and nowhere else.
 *
 * The ledger checks every plan of the scheduler again, on its newest state. The append of the reservations fails if the
 * state has changed since the check. A plan made on an outdated view therefore wastes work, but never overcommits
 * capacity. A reservation is held until its VM runs (commit), gives it up (release) or takes too long (expiry). When
 * the configured capacity shrinks below the amounts that VMs hold, the VMs keep these amounts. The offer is never below
 * the held amounts, and shrinks as entries end.
 */
import {
  type Chassis,
  heldAmounts,
  type Ledger,
  type LedgerEntry,
  type LedgerEvent,
  ledgerFold,
  type Misfit,
  offeredOf,
  refuse,
  roomFor,
  roomOf,
  type VmState,
} from "@bioxen/contracts";
import {
  type Amounts,
  accept,
  add,
  type CommandOf,
  type Decision,
  deciderOf,
  equalAmounts,
  UNCHANGED,
} from "@bioxen/kernel";
import { type ProposedReservation, resizeObstacle } from "./demand.ts";
import { partitionByFit, type ReservationFacts } from "./reservation-fit.ts";
import { decideFollowPreemption, decideSettle, type VerdictOf } from "./settlement.ts";

export type LedgerCommand =
  | {
      readonly type: "follow-chassis";
      /** The configuration of the chassis; null after the chassis was removed. */
      readonly chassis: Chassis | null;
    }
  | {
      readonly type: "reserve";
      readonly chassisId: string;
      readonly planId: string;
      readonly reservations: readonly ProposedReservation[];
      /** Instant until which the VMs may take their reservations, ms of the wall clock. */
      readonly expiresAtMs: number;
      /** Token of the lease under which the plan was made; absent if the scheduler has no leases. */
      readonly proposerToken?: number | undefined;
      /** Highest token that this instance knows: recorded in any ledger, or issued; default 0. */
      readonly newestProposerToken?: number;
      readonly facts?: ReservationFacts;
    }
  | {
      readonly type: "resize";
      readonly chassisId: string;
      readonly vmId: string;
      readonly fence: number;
      readonly amounts: Amounts;
      /** The amounts that the entry must hold before; absent: any. */
      readonly from?: Amounts | undefined;
      /** The reason why a quota refuses the growth; absent when no quota does. */
      readonly overQuota?: Misfit | undefined;
      /** The VM's state in this instance's read model. If absent, the VM is assumed to run under `fence`. */
      readonly vm?: VmState | undefined;
    }
  | { readonly type: "follow-preemption"; readonly vmOf: (vmId: string) => VmState }
  | {
      readonly type: "settle";
      readonly verdictOf: VerdictOf;
      readonly nowMs: number;
      /**
       * Returns the earliest instant at which an entry may expire, ms; default `expiresFrom`, by the wall clock alone.
       */
      readonly expiresFromMs?: (entry: LedgerEntry) => number;
    }
  | {
      readonly type: "fence";
      /** Label of the quota. Later commands on this ledger must be decided with this quota taken into account. */
      readonly quota: string;
      /** Sequence of the last event of this ledger. */
      readonly lastSeq: number;
      /** The `fenced` event is appended only if the ledger has no event after this sequence. */
      readonly afterSeq: number;
    };

export type LedgerDecision = Decision<LedgerEvent>;

export const ledgerDecider = deciderOf<Ledger, LedgerCommand, LedgerEvent>(ledgerFold, {
  "follow-chassis": (ledger, { chassis }) => decideFollowChassis(ledger, chassis),
  reserve: decideReserve,
  resize: decideResize,
  "follow-preemption": (ledger, { vmOf }) => decideFollowPreemption(ledger, vmOf),
  settle: decideSettle,
  fence: decideFence,
});

/**
 * Opens the account of a registered chassis, adopts each change of the chassis' configuration, and closes the account
 * once the chassis is removed and no entry is left.
 */
function decideFollowChassis(ledger: Ledger, chassis: Chassis | null): LedgerDecision {
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

type Proposer = Pick<CommandOf<LedgerCommand, "reserve">, "proposerToken" | "newestProposerToken">;

/**
 * Returns the newest lease token that this instance knows, recorded in a ledger or issued, if that token is newer than
 * the proposer's; else undefined. A newer token means that another scheduler has become lease holder. The proposer's
 * plan then rests on outdated knowledge.
 */
export function successorOf(
  ledger: Ledger,
  { proposerToken = 0, newestProposerToken = 0 }: Proposer,
): number | undefined {
  const newest = Math.max(ledger.proposerToken, newestProposerToken);
  return proposerToken < newest ? newest : undefined;
}

/**
 * Reserves what fits. Refuses the plan if another scheduler has replaced the proposer as lease holder. In a ledger with
 * a reservation of the newer lease holder, a superseded proposer never reserves, because the append is conditional on
 * the ledger's state. In another ledger it can reserve until the newer lease is known there. If the VM already has a
 * place, such a reservation is released later (`verdict.ts`).
 */
function decideReserve(ledger: Ledger, command: CommandOf<LedgerCommand, "reserve">): LedgerDecision {
  const { chassisId, planId, reservations, expiresAtMs, proposerToken, facts } = command;
  const newestToken = successorOf(ledger, command);
  if (newestToken !== undefined) {
    const message =
      `the plan for ${chassisId} was made under lease ${proposerToken ?? "none"}, ` +
      `but lease ${newestToken} has reserved since: plan again under the current lease`;
    return refuse("CONFLICT", message, { details: { chassisId, newestToken } });
  }
  const { fit } = partitionByFit(chassisId, ledger, reservations, facts);
  if (fit.length === 0) return UNCHANGED;
  return accept<LedgerEvent>({
    type: "bioxen.ledger.reserved.v1",
    data: {
      planId,
      reservations: [...fit],
      expiresAtMs,
      ...(proposerToken === undefined ? {} : { proposerToken }),
    },
  });
}

/** Decides a resize, all or nothing. It is refused unless all of the new amounts fit beside the other entries. */
function decideResize(ledger: Ledger, command: CommandOf<LedgerCommand, "resize">): LedgerDecision {
  const { chassisId, vmId, fence, amounts, from, overQuota, vm } = command;
  if (overQuota !== undefined) {
    const { message, resource, requested, free } = overQuota;
    return refuse("QUOTA_EXCEEDED", message, {
      retryable: true,
      details: { chassisId, resource, requested, free },
    });
  }
  const entry = ledger.entries[vmId];
  if (entry?.fence !== fence) {
    return refuse("CONFLICT", `${vmId} has no reservation ${fence} on ${chassisId}`, { retryable: true });
  }
  const obstacle = vm && resizeObstacle(vm, command);
  if (obstacle !== undefined) return refuse("CONFLICT", obstacle, { retryable: true });
  if (from !== undefined && !equalAmounts(entry.amounts, from)) {
    const message = `${vmId} was resized on ${chassisId} meanwhile: read it again before you change it`;
    return refuse("CONFLICT", message, { retryable: true });
  }
  if (equalAmounts(entry.amounts, amounts)) return UNCHANGED;
  const { free } = roomOf(ledger);
  const misfit = roomFor(growthOf(entry, amounts), { free: add(free, entry.amounts), placesLeft: 1 });
  if (misfit !== undefined) {
    const { resource, requested, free: left } = misfit;
    return refuse("CAPACITY_EXCEEDED", `${chassisId}: ${misfit.message}`, {
      retryable: true,
      details: { chassisId, resource, requested, free: left },
    });
  }
  return accept<LedgerEvent>({ type: "bioxen.ledger.resized.v1", data: { vmId, fence, amounts } });
}

/** Returns those of the new `amounts` that are larger than in the entry. */
export function growthOf(entry: LedgerEntry, amounts: Amounts): Amounts {
  return Object.fromEntries(
    Object.entries(amounts).filter(([name, amount]) => amount > (entry.amounts[name] ?? 0)),
  );
}

/**
 * Appends a `fenced` event, which changes no entry. A command that was decided without knowledge of the quota then
 * conflicts and is decided again.
 */
function decideFence(
  ledger: Ledger,
  { quota, lastSeq, afterSeq }: CommandOf<LedgerCommand, "fence">,
): LedgerDecision {
  if (!ledger.open || lastSeq > afterSeq) return UNCHANGED;
  return accept<LedgerEvent>({ type: "bioxen.ledger.fenced.v1", data: { quota } });
}
