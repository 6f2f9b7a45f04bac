/**
 * What changes a ledger by request: a plan's reservations, a resize. Capacity is checked by the ledger, quotas by
 * their own streams, and both hold at the append.
 *
 * The order is always: look at the ledger, charge the quotas for exactly that state of it, append on condition that it is
 * still that state. If it is not, everything is looked at anew, and the charge is void. In one process the commands of one ledger
 * have their turns, so that only those of other instances come in between. Nothing is decided on a ledger that is
 * newer than what this process has heard otherwise: a quota that is set fences every ledger, and whoever reserves after
 * the fence knows the quota.
 */
import {
  type Handled,
  type Ledger,
  type LedgerEvent,
  larger,
  type Misfit,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Causation,
  type Clock,
  type Decision,
  type Executed,
  Fault,
  KeyedQueue,
  MAX_CONFLICT_RETRIES,
} from "@bioxen/kernel";
import { decideReserve, decideResize, type Proposal, partitionByFit } from "../domain/ledger.ts";
import type { ChargeRequest } from "../domain/quota.ts";
import type { AffinityContexts } from "./affinity-contexts.ts";
import type { QuotaCharges } from "./quota-charges.ts";

export interface LedgerCommandPorts {
  readonly ledgers: Aggregates<Ledger>;
  readonly charges: QuotaCharges;
  readonly affinityContexts: AffinityContexts;
  readonly clock: Clock;
  /** From reservation to a running guest, ms. */
  readonly startDeadlineMs: number;
  /** Resolves once everything up to this sequence is known here. */
  readonly applied: (seq: number) => Promise<void>;
}

/** The ledger is not what was charged for any more. */
const MOVED_ON = refuse("CONFLICT", "the ledger was changed by others meanwhile", { retryable: true });

type LedgerDecision = Decision<LedgerEvent>;

/** What a command wants of a ledger's state. */
interface LedgerIntent {
  /** To be charged before; none: nothing grows. */
  readonly requests: readonly ChargeRequest[];
  /** The decision, with what the quotas refused. */
  decide(ledger: Ledger, refused: ReadonlyMap<string, Misfit>): LedgerDecision;
}

interface Granted {
  readonly executed: Executed<Ledger>;
  readonly refused: ReadonlyMap<string, Misfit>;
  readonly quotaSeq: number;
}

/** Whoever asked has given up by then, ms: lifecycle waits 5 s for a resize, the scheduler plans again. */
const TURN_DEADLINE_MS = 5_000;

export class LedgerCommands {
  readonly #ports: LedgerCommandPorts;
  readonly #queue = new KeyedQueue();

  constructor(ports: LedgerCommandPorts) {
    this.#ports = ports;
  }

  async reserve(
    { chassisId, planId, reservations, proposerToken }: ParsedRequestOf<"ledgerReserve">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerReserve">>> {
    const expiresAtMs = this.#ports.clock.nowMs() + this.#ports.startDeadlineMs;
    const proposal: Proposal = { planId, reservations, expiresAtMs, proposerToken };
    let sorted: ReturnType<typeof partitionByFit> = { fit: [], refused: [] };
    const granted = await this.#grant(chassisId, causation, (ledger) => ({
      requests: this.#fitting(chassisId, ledger, proposal),
      decide: (now, refused) => {
        const allowed = reservations.filter(({ vmId }) => !refused.has(vmId));
        const affinity = this.#ports.affinityContexts.of(chassisId);
        sorted = partitionByFit(chassisId, now, allowed, affinity);
        const rest = { ...proposal, reservations: allowed };
        return decideReserve(chassisId, now, rest, this.#newestProposer(), affinity);
      },
    }));
    const { executed, refused: overQuota, quotaSeq } = granted;
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const misfits = [...sorted.refused, ...[...overQuota].map(([vmId, misfit]) => ({ vmId, misfit }))];
    return {
      ok: true,
      result: {
        seq: executed.changed ? executed.held.lastSeq : null,
        ...(overQuota.size === 0 ? {} : { quotaSeq }),
        reserved: sorted.fit.map((one) => one.vmId),
        refused: misfits.map(({ vmId, misfit }) => ({ vmId, refusal: { chassisId, ...misfit } })),
      },
    };
  }

  /** What would be reserved if no quota stood against it. */
  #fitting(chassisId: string, ledger: Ledger, proposal: Proposal): readonly ChargeRequest[] {
    const affinity = this.#ports.affinityContexts.of(chassisId);
    const decision = decideReserve(chassisId, ledger, proposal, this.#newestProposer(), affinity);
    return decision.ok && decision.event?.type === "bioxen.ledger.reserved.v1"
      ? decision.event.data.reservations
      : [];
  }

  #newestProposer(): number {
    return Math.max(0, ...[...this.#ports.ledgers.entries()].map(([, { state }]) => state.proposerToken));
  }

  async resize(
    { chassisId, vmId, fence, amounts }: ParsedRequestOf<"ledgerResize">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerResize">>> {
    const { executed } = await this.#grant(chassisId, causation, (ledger) => {
      const decision = decideResize(chassisId, ledger, vmId, fence, amounts);
      const entry = ledger.entries[vmId];
      const grows =
        decision.ok &&
        decision.event !== null &&
        Object.entries(amounts).some(([name, amount]) => amount > (entry?.amounts[name] ?? 0));
      return {
        requests:
          grows && entry !== undefined
            ? [{ vmId, incarnation: entry.incarnation, amounts: larger(entry.amounts, amounts) }]
            : [],
        decide: (now, refused) => {
          const misfit = refused.get(vmId);
          return misfit === undefined
            ? decideResize(chassisId, now, vmId, fence, amounts)
            : overQuota(chassisId, misfit);
        },
      };
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, seq: executed.held.lastSeq } };
  }

  #grant(
    chassisId: string,
    causation: Causation,
    intentOf: (ledger: Ledger) => LedgerIntent,
  ): Promise<Granted> {
    const { clock } = this.#ports;
    const askedAtMs = clock.nowMs();
    return this.#queue.run(chassisId, () => {
      if (clock.nowMs() - askedAtMs <= TURN_DEADLINE_MS)
        return this.#grantNow(chassisId, causation, intentOf);
      throw new Fault("UNAVAILABLE", `ledger ${chassisId} had no time for this in ${TURN_DEADLINE_MS} ms`, {
        retryable: true,
      });
    });
  }

  /** Charges and appends on one and the same state of the ledger. */
  async #grantNow(
    chassisId: string,
    causation: Causation,
    intentOf: (ledger: Ledger) => LedgerIntent,
  ): Promise<Granted> {
    const { ledgers, charges, applied } = this.#ports;
    for (let attempt = 0; attempt < MAX_CONFLICT_RETRIES; attempt += 1) {
      const { state, lastSeq } = ledgers.get(chassisId);
      await applied(lastSeq);
      if (ledgers.get(chassisId).lastSeq !== lastSeq) continue;
      const intent = intentOf(state);
      const charged = await charges.charge(causation, chassisId, lastSeq, intent.requests);
      if (charged === "outdated") {
        await ledgers.refresh(chassisId);
        continue;
      }
      const isSame = () => ledgers.get(chassisId).lastSeq === lastSeq;
      const executed = await ledgers.execute(chassisId, causation, (ledger) =>
        isSame() ? intent.decide(ledger, charged.refused) : MOVED_ON,
      );
      if (!executed.ok && executed.rejection === MOVED_ON.rejection) continue;
      return { executed, refused: charged.refused, quotaSeq: charged.seq };
    }
    throw new Fault("CONFLICT", `ledger ${chassisId} is being changed by others, try again`, {
      retryable: true,
    });
  }
}

function overQuota(chassisId: string, { message, resource, requested, free }: Misfit): LedgerDecision {
  const details = { chassisId, resource, requested, free };
  return refuse("QUOTA_EXCEEDED", message, { retryable: true, details });
}
