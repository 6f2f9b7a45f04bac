/**
 * The commands that change a ledger by request: the reservations of a plan, and a resize. The ledger checks its
 * capacity, and each quota checks its limits. Both checks are still valid at the append.
 *
 * A command reads the ledger, charges the quotas for exactly that state, and appends only if the ledger still has that
 * state. Otherwise the charge is void and the command starts again. Within a process, the commands of one ledger queue
 * up, so that they conflict only with commands of other instances.
 *
 * Before a decision, this process applies the log up to the ledger's last event. The process then knows every quota and
 * VM event that is older than that event. The enforcement of a new quota relies on this order: a `fenced` event is
 * appended to every ledger, and a reservation after that event is made with knowledge of the quota.
 */
import {
  type Handled,
  type Ledger,
  larger,
  type Misfit,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type VmState,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Causation,
  type Clock,
  type Executed,
  Fault,
  KeyedQueue,
  type Leases,
  MAX_CONFLICT_RETRIES,
} from "@bioxen/kernel";
import { demandMisfit, type ProposedReservation, resizeObstacle } from "../domain/demand.ts";
import { growthOf, type LedgerCommand, ledgerDecider, successorOf } from "../domain/ledger.ts";
import type { ChargeRequest } from "../domain/quota.ts";
import { partitionByFit } from "../domain/reservation-fit.ts";
import type { AffinityContexts } from "./affinity-contexts.ts";
import { ProposerTokens } from "./proposer-tokens.ts";
import type { QuotaCharges } from "./quota-charges.ts";

export interface LedgerCommandPorts {
  readonly ledgers: Aggregates<Ledger>;
  readonly charges: QuotaCharges;
  readonly affinityContexts: AffinityContexts;
  readonly vmOf: (vmId: string) => VmState;
  readonly leases: Pick<Leases, "tokenOnRecord">;
  readonly clock: Clock;
  /** Longest time from a reservation until the VM's guest runs, ms. */
  readonly startDeadlineMs: number;
  /** Resolves once this instance has applied every event up to this sequence. */
  readonly applied: (seq: number) => Promise<void>;
  /** Resolves once this instance has applied everything that the log holds now. */
  readonly caughtUp: () => Promise<void>;
}

/** The decision when the ledger has a newer event than the state for which the quotas were charged. */
const MOVED_ON = refuse("CONFLICT", "the ledger has changed since its quotas were charged", {
  retryable: true,
});

/** The reason for a VM whose quotas were charged, but which no longer fits into the ledger at the append. */
const NO_LONGER_FITS: Misfit = {
  code: "CONFLICT",
  message: "the chassis changed, or a VM to be placed with this one was refused: plan again",
};

type Refused = ReadonlyMap<string, Misfit>;

/** The changes that a command would make to its ledger, decided on one particular state of that ledger. */
interface LedgerIntent {
  /** The quotas to charge before the append; empty when nothing grows. */
  readonly requests: readonly ChargeRequest[];
  /**
   * Builds the command to the ledger, without the VMs that a quota refuses. The caller calls it at the append, because
   * VMs and other ledgers can change while the quotas are charged.
   */
  command(overQuota: Refused): LedgerCommand;
}

interface Granted<Intent> {
  readonly executed: Executed<Ledger>;
  /** The intent that was executed. */
  readonly intent: Intent;
  /** The sequence of the ledger's state for which the intent was made. */
  readonly ledgerSeq: number;
  readonly overQuota: Refused;
  readonly quotaSeq: number;
}

/**
 * Longest wait of a command in the queue of its ledger, ms. By then the caller has given up: lifecycle waits 5 s for a
 * resize, and the scheduler replans.
 */
const TURN_DEADLINE_MS = 5_000;

export class LedgerCommands {
  readonly #ports: LedgerCommandPorts;
  readonly #queue = new KeyedQueue();
  readonly #tokens: ProposerTokens;

  constructor(ports: LedgerCommandPorts) {
    this.#ports = ports;
    const { leases, clock, ledgers } = ports;
    const newestRecorded = () => {
      let newest = 0;
      for (const [, { state }] of ledgers.entries()) newest = Math.max(newest, state.proposerToken);
      return newest;
    };
    this.#tokens = new ProposerTokens({ leases, clock, newestRecorded });
  }

  async reserve(
    { chassisId, planId, reservations, proposerToken }: ParsedRequestOf<"ledgerReserve">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerReserve">>> {
    const refusal = await this.#tokens.refusalOf(proposerToken);
    if (refusal !== undefined) return refusal;
    await this.#knowDemand(reservations);
    const { vmOf } = this.#ports;
    const expiresAtMs = this.#ports.clock.nowMs() + this.#ports.startDeadlineMs;
    const granted = await this.#grant(chassisId, causation, (ledger) => {
      const world = () => ({
        facts: { vmOf, affinity: this.#ports.affinityContexts.of(chassisId) },
        newestProposerToken: this.#tokens.newest(),
      });
      const { facts, newestProposerToken } = world();
      const { fit, refused } = partitionByFit(chassisId, ledger, reservations, facts);
      const isStale = successorOf(ledger, { proposerToken, newestProposerToken }) !== undefined;
      return {
        // The ledger refuses a plan of a superseded lease holder, so the quotas are not charged for it.
        requests: isStale ? [] : fit,
        misfits: new Map(refused.map(({ vmId, misfit }) => [vmId, misfit])),
        command: (overQuota: Refused) => ({
          type: "reserve" as const,
          chassisId,
          planId,
          // Only charged VMs are reserved. If a quota refuses a VM, its room stays free: an uncharged VM of this plan
          // must not take it.
          reservations: fit.filter(({ vmId }) => !overQuota.has(vmId)),
          expiresAtMs,
          proposerToken,
          ...world(),
        }),
      };
    });
    const { executed, intent, ledgerSeq, overQuota, quotaSeq } = granted;
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const { state, lastSeq } = executed.current;
    // For a repeated command, `state` is the state right after the event of its first execution, so the fence equals
    // `lastSeq`. For a new command, `state` can already contain later events of other instances, so the fence can be
    // any sequence above `ledgerSeq`.
    const isReserved = (vmId: string) => {
      const fence = executed.changed ? state.entries[vmId]?.fence : undefined;
      return fence !== undefined && (fence === lastSeq || fence > ledgerSeq);
    };
    return {
      ok: true,
      result: {
        seq: executed.changed ? lastSeq : null,
        ...(overQuota.size === 0 ? {} : { quotaSeq }),
        reserved: reservations.filter(({ vmId }) => isReserved(vmId)).map(({ vmId }) => vmId),
        refused: reservations
          .filter(({ vmId }) => !isReserved(vmId))
          .map(({ vmId }) => {
            const misfit = overQuota.get(vmId) ?? intent.misfits.get(vmId) ?? NO_LONGER_FITS;
            return { vmId, refusal: { chassisId, ...misfit } };
          }),
      },
    };
  }

  /**
   * Reads the log to its end if a VM does not ask for its proposed reservation, according to the state known here. The
   * scheduler may already know newer events of the VM than this instance.
   */
  async #knowDemand(reservations: readonly ProposedReservation[]): Promise<void> {
    const isAsked = (one: ProposedReservation) => demandMisfit(this.#ports.vmOf(one.vmId), one) === undefined;
    if (!reservations.every(isAsked)) await this.#ports.caughtUp();
  }

  async resize(
    { chassisId, vmId, fence, amounts, from }: ParsedRequestOf<"ledgerResize">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerResize">>> {
    const { vmOf, caughtUp } = this.#ports;
    const named = { vmId, fence, amounts };
    // Lifecycle may already know newer events of the VM than this instance.
    if (resizeObstacle(vmOf(vmId), named) !== undefined) await caughtUp();
    const resize = () => ({ type: "resize" as const, chassisId, ...named, from, vm: vmOf(vmId) });
    const { executed } = await this.#grant(chassisId, causation, (ledger) => ({
      requests: chargeForResize(ledger, resize()),
      command: (overQuota) => ({ ...resize(), overQuota: overQuota.get(vmId) }),
    }));
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, seq: executed.current.lastSeq } };
  }

  #grant<Intent extends LedgerIntent>(
    chassisId: string,
    causation: Causation,
    intentOf: (ledger: Ledger) => Intent,
  ): Promise<Granted<Intent>> {
    const { clock } = this.#ports;
    const requestedAtMs = clock.nowMs();
    return this.#queue.run(chassisId, () => {
      if (clock.nowMs() - requestedAtMs <= TURN_DEADLINE_MS) {
        return this.#grantNow(chassisId, causation, intentOf);
      }
      throw new Fault(
        "UNAVAILABLE",
        `ledger ${chassisId} is busy: the command waited more than ${TURN_DEADLINE_MS} ms, try again`,
        { retryable: true },
      );
    });
  }

  /** Charges the quotas and appends the event of the intent, both for the same state of the ledger. */
  async #grantNow<Intent extends LedgerIntent>(
    chassisId: string,
    causation: Causation,
    intentOf: (ledger: Ledger) => Intent,
  ): Promise<Granted<Intent>> {
    const { ledgers, charges, applied } = this.#ports;
    for (let attempt = 0; attempt < MAX_CONFLICT_RETRIES; attempt += 1) {
      const { state, lastSeq } = ledgers.get(chassisId);
      await applied(lastSeq);
      const isSame = () => ledgers.get(chassisId).lastSeq === lastSeq;
      if (!isSame()) continue;
      const intent = intentOf(state);
      const { requests } = intent;
      const charged = await charges.charge(causation, { chassisId, ledgerSeq: lastSeq, requests });
      if (charged === "outdated") {
        await ledgers.refresh(chassisId);
        continue;
      }
      const { refused: overQuota, seq: quotaSeq } = charged;
      const executed = await ledgers.execute(chassisId, causation, (ledger) =>
        isSame() ? ledgerDecider.decide(ledger, intent.command(overQuota)) : MOVED_ON,
      );
      if (!executed.ok && executed.rejection === MOVED_ON.rejection) continue;
      return { executed, intent, ledgerSeq: lastSeq, overQuota, quotaSeq };
    }
    throw new Fault("CONFLICT", `other commands keep changing ledger ${chassisId}: try again`, {
      retryable: true,
    });
  }
}

/**
 * Returns the charge for a resize: the larger of old and new amounts. Empty when the ledger refuses the resize or no
 * amount grows.
 */
function chargeForResize(
  ledger: Ledger,
  resize: Extract<LedgerCommand, { type: "resize" }>,
): readonly ChargeRequest[] {
  const { vmId, amounts } = resize;
  const entry = ledger.entries[vmId];
  const decision = ledgerDecider.decide(ledger, resize);
  if (entry === undefined || !decision.ok || decision.event === null) return [];
  if (Object.keys(growthOf(entry, amounts)).length === 0) return [];
  return [{ vmId, incarnation: entry.incarnation, amounts: larger(entry.amounts, amounts) }];
}
