/**
 * The process of the quotas: enforces new and lowered quotas, and settles charges. To settle a charge means to set it
 * to the amounts that the ledger holds.
 *
 * The limits of a lowered quota hold once every charge under the higher limits is used or void.
 *
 * A new quota is not known to every allocator at once. But an allocator decides on a ledger only after it has applied
 * the log up to the ledger's last event (`ledger-commands.ts`). Once a ledger has an event that is newer than the
 * quota, every later change of the ledger is therefore made with knowledge of the quota. So the process appends a
 * `fenced` event to each ledger. Then it counts what all VMs hold. After the event with that count, no VM grows above
 * the limits.
 *
 * While a ledger has no event after a charge, the allocator is about to use the charge, or has crashed. After {@link
 * CHARGE_PATIENCE_MS} the process appends a `fenced` event to that ledger. That event makes the charge void, and the
 * process gives the charge back.
 */
import {
  chargeKey,
  domainEventOf,
  type Ledger,
  type LedgerEvent,
  type Quota,
  type QuotaEvent,
  type QuotaState,
  type VmState,
} from "@bioxen/contracts";
import {
  type Aggregates,
  causedBy,
  invariant,
  messageOf,
  type ReadModel,
  Reconciler,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
  UNCHANGED,
} from "@bioxen/kernel";
import { ledgerDecider } from "../domain/ledger.ts";
import {
  chargesUnderOldLimits,
  type KnownLedgers,
  openCharges,
  type QuotaCommand,
  quotaDecider,
} from "../domain/quota.ts";
import { type EntryName, OwnerChanges } from "./owner-changes.ts";
import type { QuotaCharges } from "./quota-charges.ts";

/**
 * Time after which an allocator that has charged a quota, but not appended to the ledger, counts as crashed, ms. The
 * outcome of an append is unknown for at most 8 s.
 */
const CHARGE_PATIENCE_MS = 10_000;
/** Interval between two checks of a quota that has open charges or is not enforced yet, ms. */
const CHECK_INTERVAL_MS = 500;
/**
 * Number of ledgers to which `fenced` events are appended at the same time: enough for the appends to overlap, few
 * enough to leave room for other commands.
 */
const FENCES_IN_FLIGHT = 32;

export interface QuotaProcessParts {
  readonly ports: ServicePorts;
  readonly quotas: Aggregates<QuotaState>;
  readonly ledgers: Aggregates<Ledger>;
  readonly vms: ReadModel<VmState>;
  readonly charges: QuotaCharges;
  /** Resolves once this instance has applied every event up to this sequence. */
  readonly applied: (seq: number) => Promise<void>;
  /** True while this instance holds the lease. */
  readonly acts: () => boolean;
}

export class QuotaProcess {
  readonly #parts: QuotaProcessParts;
  readonly #known: KnownLedgers;
  readonly #owners: OwnerChanges;
  readonly #reconciler: Reconciler;

  constructor(parts: QuotaProcessParts) {
    this.#parts = parts;
    this.#owners = new OwnerChanges(parts);
    this.#known = parts.charges.known;
    const { clock, timers, logger } = parts.ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: async (quotaId) => (parts.acts() ? this.#step(quotaId) : undefined),
      onError: (quotaId, thrown) =>
        logger.warn({ quotaId, err: thrown }, `settling quota ${quotaId} failed: ${messageOf(thrown)}`),
    });
  }

  wakeAll(): void {
    this.#owners.noteAll();
    for (const quotaId of this.#parts.quotas.ids()) this.#reconciler.wake(quotaId);
  }

  /**
   * Wakes the quota of the event, and every quota that is not enforced or has a charge on an entry that the event
   * changed.
   */
  wakeFor({ envelope }: StoredEvent): void {
    const event = domainEventOf(envelope);
    const isActing = this.#parts.acts();
    if (event.kind === "quota") {
      if (isActing) this.#owners.noteCharges(event.id, changedCharges(event));
      this.#reconciler.wake(event.id);
    }
    // Only the lease holder corrects the quotas of owners, and a new one compares all VMs.
    if (isActing && event.type === "bioxen.vm.transferred.v1") this.#wake(this.#owners.noteVm(event.id));
    if (event.kind !== "ledger") return;
    const changed = changedEntries(event);
    for (const vmId of isActing ? changed : []) this.#wake(this.#owners.note({ vmId, chassisId: event.id }));
    const keys = changed.map((vmId) => chargeKey(vmId, event.id));
    for (const [quotaId, { state }] of this.#parts.quotas.entries()) {
      if (!state.exists) continue;
      if (!state.enforced || keys.some((key) => state.charges[key] !== undefined)) {
        this.#reconciler.wake(quotaId);
      }
    }
  }

  #wake(quotaIds: readonly string[]): void {
    for (const quotaId of quotaIds) this.#reconciler.wake(quotaId);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #step(quotaId: string): Promise<StepResult> {
    const { quotas, ports } = this.#parts;
    const { state } = quotas.get(quotaId);
    if (!state.exists) return undefined;
    if (!state.enforced) await this.#enforce(quotaId, state);
    await this.#react(quotaId, () => ({ type: "settle", ledgers: this.#known }));
    const holdings = () => this.#owners.holdings(quotaId);
    if (holdings().length > 0) {
      await this.#react(quotaId, () => ({
        type: "follow-owners",
        ledgers: this.#known,
        holdings: holdings(),
      }));
    }
    const quota = quotas.get(quotaId).state;
    if (!quota.exists) return undefined;
    const open = openCharges(quota, this.#known);
    const nowMs = ports.clock.nowMs();
    const abandoned = open.filter((charge) => charge.chargedAtMs + CHARGE_PATIENCE_MS <= nowMs);
    for (const { chassisId, ledgerSeq } of abandoned) await this.#fence(chassisId, quotaId, ledgerSeq);
    const isDone = open.length === 0 && quota.enforced && holdings().length === 0;
    return isDone ? undefined : { dueAtMs: nowMs + CHECK_INTERVAL_MS };
  }

  async #enforce(quotaId: string, quota: Quota): Promise<void> {
    if (!quota.counted) return this.#count(quotaId, quota.firstSeq);
    for (const { chassisId, ledgerSeq } of chargesUnderOldLimits(quota, this.#known)) {
      await this.#fence(chassisId, quotaId, ledgerSeq);
    }
    // The list of holders is empty, because the VMs' holdings are already counted and every later growth was charged.
    const world = { ...this.#known, holders: () => [] };
    await this.#react(quotaId, (now) => (now.exists && now.counted ? { type: "enforce", world } : undefined));
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
    for (const { chassisId, ledgerSeq } of state.exists ? chargesUnderOldLimits(state, this.#known) : []) {
      await this.#fence(chassisId, quotaId, ledgerSeq);
    }
    const entries = await this.#labelledEntries();
    const holders = (label: string) => entries.filter(({ labels }) => labels.includes(label));
    // The entries can lack a reservation that was made after this read. Such a reservation is already charged: its
    // allocator had applied the `fenced` event, and so knew the quota.
    const enforce = () =>
      this.#react(quotaId, () => ({ type: "enforce", world: { ...this.#known, holders } }));
    // One event names a limited number of VMs. Several events can be necessary; the last event enforces the limits.
    while (await enforce()) if (isEnforced(quotas.get(quotaId).state)) return;
  }

  /** Returns every entry of every ledger, with those labels of its VM that a quota can name. */
  async #labelledEntries() {
    const out = [];
    for (const [chassisId, { state }] of [...this.#parts.ledgers.entries()]) {
      for (const { vmId, incarnation } of Object.values(state.entries)) {
        const labels = await this.#parts.charges.quotaLabelsOf(vmId, incarnation);
        out.push({ vmId, incarnation, chassisId, labels });
      }
    }
    return out;
  }

  /** Appends a `fenced` event to the ledger, unless the ledger has an event after `afterSeq` or is closed. */
  async #fence(chassisId: string, quotaId: string, afterSeq: number): Promise<void> {
    const { ledgers, quotas, acts } = this.#parts;
    const { last, state } = quotas.get(quotaId);
    invariant(last !== undefined && state.exists, "a quota has a process only after it was set", { quotaId });
    const { label: quota } = state;
    const decide = (ledger: Ledger) => {
      const { lastSeq } = ledgers.get(chassisId);
      return ledgerDecider.decide(ledger, { type: "fence", quota, lastSeq, afterSeq });
    };
    await ledgers.react(chassisId, causedBy(last), decide, acts);
  }

  /**
   * Executes the command that `commandFor` returns for the quota's newest state; does nothing when it returns
   * undefined. Returns true when an event was appended.
   */
  async #react(
    quotaId: string,
    commandFor: (quota: QuotaState) => QuotaCommand | undefined,
  ): Promise<boolean> {
    const { quotas, acts } = this.#parts;
    const { last } = quotas.get(quotaId);
    invariant(last !== undefined, "a quota has a process only after it was set", { quotaId });
    const decide = (quota: QuotaState) => {
      const command = commandFor(quota);
      return command === undefined ? UNCHANGED : quotaDecider.decide(quota, command);
    };
    const executed = await quotas.react(quotaId, causedBy(last), decide, acts);
    invariant(executed.ok, "the process sends no command that a quota refuses", { quotaId });
    return executed.changed;
  }
}

/** Returns the ids of the VMs whose ledger entries the event may have changed. */
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

/** Returns the entries whose charge the event has changed. */
function changedCharges(event: QuotaEvent): readonly EntryName[] {
  switch (event.type) {
    case "bioxen.quota.charged.v1": {
      const { chassisId } = event.data;
      return event.data.charges.map(({ vmId }) => ({ vmId, chassisId }));
    }
    case "bioxen.quota.enforced.v1":
    case "bioxen.quota.settled.v1":
      return event.data.charges;
    default:
      return [];
  }
}

function isEnforced(quota: QuotaState): boolean {
  return quota.exists && quota.enforced;
}
