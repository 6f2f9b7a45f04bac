/**
 * The allocator service. It owns the streams of all ledgers and quotas, checks the scheduler's plans, and settles
 * ledger entries according to the events of their VMs.
 */
import {
  aggregateOf,
  type ChassisState,
  chassisFold,
  ENDPOINTS,
  type Ledger,
  type LedgerEntry,
  type LedgerEvent,
  LedgersOfVms,
  ledgerFold,
  ownersIn,
  type QuotaState,
  quotaFold,
  StatePages,
  serve,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  Aggregates,
  beginnerOf,
  type Causation,
  causedBy,
  type EventFeed,
  invariant,
  type Lease,
  messageOf,
  onBehalfOf,
  ReadModel,
  Reconciler,
  type ServicePorts,
  type StoredEvent,
  UNCHANGED,
} from "@bioxen/kernel";
import { vmsOf } from "../domain/concerned-vms.ts";
import { type LedgerCommand, type LedgerDecision, ledgerDecider } from "../domain/ledger.ts";
import { type EntryVerdict, EXPIRY_GRACE_MS, expiresFrom, nextExpiryAtMs } from "../domain/settlement.ts";
import { verdictOf } from "../domain/verdict.ts";
import { AffinityContexts } from "./affinity-contexts.ts";
import { LedgerCommands } from "./ledger-commands.ts";
import { LedgerQueries } from "./ledger-queries.ts";
import { MonotonicReservationTimer } from "./monotonic-reservation-timer.ts";
import { QuotaCharges } from "./quota-charges.ts";
import { QuotaCommands } from "./quota-commands.ts";
import { QuotaMeasurements } from "./quota-measurements.ts";
import { QuotaProcess } from "./quota-process.ts";

/**
 * Default of the longest time from a reservation until the VM's guest runs, ms. A guest boots within milliseconds; an
 * agent restarts within seconds.
 */
export const DEFAULT_START_DEADLINE_MS = 60_000;
/** Maximum number of events that one step appends to a ledger before the steps of other ledgers can run. */
const MAX_EVENTS_PER_STEP = 16;

export interface AllocatorOptions {
  readonly startDeadlineMs?: number;
  /** The monotonic clock, ms: measures how long this process has observed a reservation. */
  readonly monotonicMs: () => number;
}

export function createAllocator(ports: ServicePorts, options: AllocatorOptions) {
  const allocator = new Allocator(ports, options);
  const { commands, ledgerQueries, quotaCommands } = allocator;
  const quotaMeasurements = new QuotaMeasurements(allocator.quotas);
  return {
    sinks: [allocator.ledgers, allocator.vms, allocator.chassis, allocator.quotas],
    endpoints: [
      serve(ENDPOINTS.ledgerReserve, (request, causation) => commands.reserve(request, causation)),
      serve(ENDPOINTS.ledgerResize, (request, causation) => commands.resize(request, causation)),
      serve(ENDPOINTS.ledgerGet, (request, _causation, maxBytes) => ledgerQueries.get(request, maxBytes)),
      serve(ENDPOINTS.ledgerList, (request, _causation, maxBytes) => ledgerQueries.list(request, maxBytes)),
      serve(ENDPOINTS.quotaSet, (...command) => quotaCommands.set(...command)),
      serve(ENDPOINTS.quotaGet, (request, _causation, maxBytes) => quotaCommands.get(request, maxBytes)),
      serve(ENDPOINTS.quotaList, (request, _causation, maxBytes) => quotaCommands.list(request, maxBytes)),
    ],
    owners: allocator.owners,
    begin: (feed: EventFeed) => allocator.begin(feed),
    measure: () => quotaMeasurements.measure(),
    end: () => allocator.end(),
  };
}

class Allocator {
  readonly ledgers: Aggregates<Ledger>;
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  readonly quotas: Aggregates<QuotaState>;
  readonly owners = ownersIn((vmId) => this.vms.get(vmId));
  readonly commands: LedgerCommands;
  readonly quotaCommands: QuotaCommands;
  readonly ledgerQueries: LedgerQueries;
  readonly #ports: ServicePorts;
  readonly #quotaProcess: QuotaProcess;
  readonly #reconciler: Reconciler;
  readonly #reservationTimer: MonotonicReservationTimer;
  readonly #ledgersOf = new LedgersOfVms();
  #feed: EventFeed | undefined;
  #lease: Lease | undefined;

  constructor(
    ports: ServicePorts,
    { startDeadlineMs = DEFAULT_START_DEADLINE_MS, monotonicMs }: AllocatorOptions,
  ) {
    const { log, clock, ids, timers, logger } = ports;
    this.#ports = ports;
    this.#reservationTimer = new MonotonicReservationTimer(monotonicMs, startDeadlineMs + EXPIRY_GRACE_MS);
    const source = "/bioxen/allocator";
    this.ledgers = new Aggregates({ kind: "ledger", fold: ledgerFold, log, clock, ids, source });
    this.quotas = new Aggregates({ kind: "quota", fold: quotaFold, log, clock, ids, source });
    const { ledgers, quotas, vms } = this;
    const applied = async (seq: number) => this.#feed?.applied(seq);
    const charges = new QuotaCharges({ quotas, ledgers, vms, log });
    const affinityContexts = new AffinityContexts(vms, this.chassis, this.#ledgersOf);
    this.commands = new LedgerCommands({
      ledgers,
      charges,
      affinityContexts,
      vmOf: (vmId) => vms.get(vmId),
      leases: ports.leases,
      clock,
      startDeadlineMs,
      applied,
      caughtUp: async () => applied(await log.lastSeq()),
    });
    const reading = { log, appliedSeq: () => this.#feed?.appliedSeq ?? 0, applied };
    this.quotaCommands = new QuotaCommands(quotas, timers, new StatePages({ states: quotas, ...reading }));
    this.ledgerQueries = new LedgerQueries(ledgers, log, new StatePages({ states: ledgers, ...reading }));
    const acts = () => this.#acts();
    this.#quotaProcess = new QuotaProcess({ ports, quotas, ledgers, vms, charges, applied, acts });
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: async (chassisId) => (this.#acts() ? this.#settle(chassisId) : undefined),
      onError: (chassisId, thrown) =>
        logger.warn({ chassisId, err: thrown }, `settling ledger ${chassisId} failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
    for (const [chassisId, { state }] of this.ledgers.entries()) this.#ledgersOf.note(chassisId, state);
    feed.onEvent((event) => {
      this.#wakeFor(event);
      this.#quotaProcess.wakeFor(event);
      this.quotaCommands.changed();
    });
    this.#lease = this.#ports.leases.contend("allocator", {
      onHeld: () => {
        for (const chassisId of this.chassis.ids()) this.#reconciler.wake(chassisId);
        for (const chassisId of this.ledgers.ids()) this.#reconciler.wake(chassisId);
        this.#quotaProcess.wakeAll();
      },
      onLost: () => undefined,
    });
  }

  async end(): Promise<void> {
    await this.#reconciler.stop();
    await this.#quotaProcess.end();
    await this.#lease?.release();
  }

  /**
   * True while this instance holds the lease. Only the lease holder settles entries; every instance answers requests.
   */
  #acts(): boolean {
    return this.#lease?.token() !== undefined;
  }

  #wakeFor({ envelope, seq }: StoredEvent): void {
    if (envelope.type === "bioxen.ledger.reserved.v1") this.#reservationTimer.observe(seq);
    const { kind, id } = aggregateOf(envelope.subject);
    if (kind === "ledger") this.#ledgersOf.note(id, this.ledgers.get(id).state);
    if (kind === "ledger" || kind === "chassis") this.#reconciler.wake(id);
    if (kind !== "vm") return;
    for (const chassisId of this.#ledgersOf.of(id)) this.#reconciler.wake(chassisId);
  }

  readonly #verdictOf = (entry: LedgerEntry): EntryVerdict =>
    verdictOf(entry, this.vms.get(entry.vmId), this.#feed?.appliedSeq ?? 0);

  /**
   * Returns the instant from which the entry may expire, ms: the later of two instants, the expiry by the wall clock
   * and the expiry by this process' monotonic clock. Infinite for a reservation that the feed has not delivered yet,
   * because such a reservation is too new to expire.
   */
  readonly #expiresFrom = (entry: LedgerEntry): number => {
    if (entry.fence > (this.#feed?.appliedSeq ?? 0)) return Number.POSITIVE_INFINITY;
    const leftMs = this.#reservationTimer.remainingMs(entry.fence);
    return leftMs === 0
      ? expiresFrom(entry)
      : Math.max(expiresFrom(entry), this.#ports.clock.nowMs() + leftMs);
  };

  #nextExpiryAtMs(chassisId: string): number | undefined {
    return nextExpiryAtMs(this.ledgers.get(chassisId).state, this.#verdictOf, this.#expiresFrom);
  }

  /**
   * Reads the log to its end before an expiry. An instance whose read models lag might otherwise expire a reservation
   * that its VM has taken already.
   */
  async #catchUpIfExpiring(chassisId: string): Promise<void> {
    const dueAtMs = this.#nextExpiryAtMs(chassisId);
    if (dueAtMs === undefined || dueAtMs > this.#ports.clock.nowMs()) return;
    await this.#feed?.applied(await this.#ports.log.lastSeq());
  }

  async #settle(chassisId: string): Promise<{ readonly dueAtMs: number } | undefined> {
    await this.#catchUpIfExpiring(chassisId);
    for (let i = 0; i < MAX_EVENTS_PER_STEP; i += 1) {
      const executed = await this.ledgers.react(
        chassisId,
        this.#causation(chassisId),
        (ledger) => this.#nextDecision(chassisId, ledger),
        () => this.#acts(),
        (event) => this.#causation(chassisId, event as LedgerEvent),
      );
      invariant(executed.ok, "the process sends no command that a ledger refuses", { chassisId });
      if (!executed.changed) break;
    }
    const dueAtMs = this.#nextExpiryAtMs(chassisId);
    return dueAtMs === undefined ? undefined : { dueAtMs };
  }

  /**
   * Returns the ledger's next decision. Three commands are tried: adopt the configuration of the chassis, lower the
   * entries of preempted VMs, settle entries. The first command that changes the ledger is chosen.
   */
  #nextDecision(chassisId: string, ledger: Ledger): LedgerDecision {
    const chassis = this.chassis.get(chassisId);
    const commands: readonly LedgerCommand[] = [
      { type: "follow-chassis", chassis: chassis.registered ? chassis : null },
      { type: "follow-preemption", vmOf: (vmId) => this.vms.get(vmId) },
      {
        type: "settle",
        verdictOf: this.#verdictOf,
        nowMs: this.#ports.clock.nowMs(),
        expiresFromMs: this.#expiresFrom,
      },
    ];
    for (const command of commands) {
      const decision = ledgerDecider.decide(ledger, command);
      if (!decision.ok || decision.event !== null) return decision;
    }
    return UNCHANGED;
  }

  /** Returns the causation of the ledger's next event: on behalf of the principal that acted on the VM of `event` last. */
  #causation(chassisId: string, event?: LedgerEvent): Causation {
    const cause = this.ledgers.get(chassisId).last ?? this.chassis.last(chassisId);
    invariant(cause !== undefined, "a ledger has events only after its chassis was registered", {
      chassisId,
    });
    const own = causedBy(cause);
    const vmIds = event === undefined ? [] : vmsOf(event);
    const [newest] = [...vmIds].sort((a, b) => this.vms.lastSeq(b) - this.vms.lastSeq(a));
    const last = newest === undefined ? undefined : this.vms.last(newest);
    return last === undefined ? own : { ...own, ...onBehalfOf(beginnerOf(last)) };
  }
}
