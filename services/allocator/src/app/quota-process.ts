/**
 * Makes each quota's charges what the ledgers say, and a new quota hold.
 *
 * A quota that is lowered holds once everything that was charged under higher limits is used or void. One that is new is not
 * known to everybody at once. A ledger that has an event after the quota's first is changed only by who knows it
 * (`ledger-commands.ts` looks at nothing older than its ledger), so each ledger gets one, a fence; then everything held is
 * counted, and from that event on nothing grows above the limits.
 *
 * A charge whose ledger has not moved on is about to be used, or its charger is dead: after a while the ledger is fenced
 * as well, which makes the charge void, and it is given back.
 */
import {
  chargeKey,
  domainEventOf,
  type Ledger,
  type LedgerEvent,
  type Quota,
  type QuotaState,
  quotaLabelsOf,
} from "@bioxen/contracts";
import {
  type Aggregates,
  accept,
  causedBy,
  invariant,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
  UNCHANGED,
} from "@bioxen/kernel";
import {
  decideEnforce,
  decideSettleCharges,
  type KnownLedgers,
  openCharges,
  type QuotaDecision,
  underOldLimits,
} from "../domain/quota.ts";
import type { QuotaCharges } from "./quota-charges.ts";

/** A charger appends to its ledger within this long, ms, or is taken for dead: an append is in doubt for 8 s at most. */
const CHARGE_PATIENCE_MS = 10_000;
/** A charge that its charger did not use is void once its ledger has moved on; how often that is looked for, ms. */
const LOOK_AGAIN_MS = 500;
/** Ledgers fenced at once: appends overlap, and others get their turn. */
const FENCES_IN_FLIGHT = 32;

export interface QuotaProcessParts {
  readonly ports: ServicePorts;
  readonly quotas: Aggregates<QuotaState>;
  readonly ledgers: Aggregates<Ledger>;
  readonly charges: QuotaCharges;
  /** Resolves once everything up to this sequence is known here. */
  readonly applied: (seq: number) => Promise<void>;
  readonly acts: () => boolean;
}

export class QuotaProcess {
  readonly #parts: QuotaProcessParts;
  readonly #known: KnownLedgers;
  readonly #reconciler: Reconciler;

  constructor(parts: QuotaProcessParts) {
    this.#parts = parts;
    this.#known = parts.charges.known;
    const { clock, timers, logger } = parts.ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: async (quotaId) => (parts.acts() ? this.#step(quotaId) : undefined),
      onError: (quotaId, thrown) =>
        logger.warn({ quotaId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
    });
  }

  wakeAll(): void {
    for (const quotaId of this.#parts.quotas.ids()) this.#reconciler.wake(quotaId);
  }

  /** A quota changed, or a ledger that it has something charged on. */
  wakeFor({ envelope }: StoredEvent): void {
    const event = domainEventOf(envelope);
    if (event.kind === "quota") this.#reconciler.wake(event.id);
    if (event.kind !== "ledger") return;
    const keys = changedEntries(event).map((vmId) => chargeKey(vmId, event.id));
    for (const [quotaId, { state }] of this.#parts.quotas.entries()) {
      if (!state.exists) continue;
      if (!state.enforced || keys.some((key) => state.charges[key] !== undefined)) {
        this.#reconciler.wake(quotaId);
      }
    }
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #step(quotaId: string): Promise<StepResult> {
    const { quotas, ports } = this.#parts;
    const { state } = quotas.get(quotaId);
    if (!state.exists) return undefined;
    if (!state.enforced) await this.#enforce(quotaId, state);
    await this.#react(quotaId, (quota) => decideSettleCharges(quota, this.#known));
    const quota = quotas.get(quotaId).state;
    if (!quota.exists) return undefined;
    const open = openCharges(quota, this.#known);
    const nowMs = ports.clock.nowMs();
    const abandoned = open.filter((charge) => charge.chargedAtMs + CHARGE_PATIENCE_MS <= nowMs);
    for (const { chassisId, ledgerSeq } of abandoned) await this.#fence(chassisId, quotaId, ledgerSeq);
    const isDone = open.length === 0 && quota.enforced;
    return isDone ? undefined : { dueAtMs: nowMs + LOOK_AGAIN_MS };
  }

  async #enforce(quotaId: string, quota: Quota): Promise<void> {
    if (!quota.counted) return this.#count(quotaId, quota.firstSeq);
    for (const { chassisId, ledgerSeq } of underOldLimits(quota, this.#known)) {
      await this.#fence(chassisId, quotaId, ledgerSeq);
    }
    await this.#react(quotaId, (now) =>
      now.exists && now.counted ? decideEnforce(now, { ...this.#known, holders: () => [] }) : UNCHANGED,
    );
  }

  async #count(quotaId: string, sinceSeq: number): Promise<void> {
    const { ledgers, quotas, applied } = this.#parts;
    await applied(sinceSeq);
    const open = [...ledgers.entries()].filter(([, { state }]) => state.open).map(([id]) => id);
    for (let i = 0; i < open.length; i += FENCES_IN_FLIGHT) {
      const some = open.slice(i, i + FENCES_IN_FLIGHT);
      await Promise.all(some.map((chassisId) => this.#fence(chassisId, quotaId, sinceSeq)));
    }
    if (open.some((chassisId) => ledgers.get(chassisId).lastSeq <= sinceSeq)) return;
    await applied(Math.max(sinceSeq, ...[...ledgers.entries()].map(([, { lastSeq }]) => lastSeq)));
    const { state } = quotas.get(quotaId);
    for (const { chassisId, ledgerSeq } of state.exists ? underOldLimits(state, this.#known) : []) {
      await this.#fence(chassisId, quotaId, ledgerSeq);
    }
    const holders = await this.#holders();
    const labels = (label: string) => holders.filter((one) => one.labels.includes(label));
    // Whoever reserved since then knew of it and charged.
    await this.#react(quotaId, (quota) => decideEnforce(quota, { ...this.#known, holders: labels }));
  }

  /** Every entry of every ledger, with the labels quotas may be for. */
  async #holders() {
    const out = [];
    for (const [chassisId, { state }] of [...this.#parts.ledgers.entries()]) {
      for (const { vmId, incarnation } of Object.values(state.entries)) {
        const labels = quotaLabelsOf(await this.#parts.charges.labelsOf(vmId, incarnation));
        out.push({ vmId, incarnation, chassisId, labels });
      }
    }
    return out;
  }

  /** The ledger has an event after `afterSeq`. */
  async #fence(chassisId: string, quotaId: string, afterSeq: number): Promise<void> {
    const { ledgers, quotas, acts } = this.#parts;
    const { last, state } = quotas.get(quotaId);
    invariant(last !== undefined && state.exists, "a quota that is looked at was set", { quotaId });
    const fenced: LedgerEvent = { type: "bioxen.ledger.fenced.v1", data: { quota: state.label } };
    const decide = (ledger: Ledger) =>
      ledger.open && ledgers.get(chassisId).lastSeq <= afterSeq ? accept(fenced) : UNCHANGED;
    await ledgers.react(chassisId, causedBy(last), decide, acts);
  }

  async #react(quotaId: string, decide: (quota: QuotaState) => QuotaDecision): Promise<void> {
    const { quotas, acts } = this.#parts;
    const { last } = quotas.get(quotaId);
    invariant(last !== undefined, "a quota that is looked at was set", { quotaId });
    const executed = await quotas.react(quotaId, causedBy(last), decide, acts);
    invariant(executed.ok, "settling refuses nothing", { quotaId });
  }
}

/** VMs whose entry an event may have changed. */
function changedEntries(event: LedgerEvent): readonly string[] {
  switch (event.type) {
    case "bioxen.ledger.reserved.v1":
      return event.data.reservations.map(({ vmId }) => vmId);
    case "bioxen.ledger.released.v1":
    case "bioxen.ledger.expired.v1":
      return event.data.entries.map(({ vmId }) => vmId);
    case "bioxen.ledger.resized.v1":
      return [event.data.vmId];
    default:
      return [];
  }
}
