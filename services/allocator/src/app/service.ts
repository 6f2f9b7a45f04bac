/**
 * The allocator on its ports: owns every ledger's stream, disposes of the scheduler's plans, settles entries by what
 * their VMs did.
 */
import {
  beyondLog,
  type ChassisState,
  chassisFold,
  done,
  ENDPOINTS,
  type Handled,
  type Ledger,
  ledgerFold,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  serve,
  type VmState,
  viewOfLedger,
  vmFold,
} from "@bioxen/contracts";
import {
  Aggregates,
  type Causation,
  causedBy,
  type EventFeed,
  foldAt,
  invariant,
  type Lease,
  messageOf,
  ReadModel,
  Reconciler,
  type ServicePorts,
  type StoredEvent,
} from "@bioxen/kernel";
import {
  decideFollowChassis,
  decideFollowPreemption,
  decideReserve,
  decideResize,
  decideSettle,
  nextExpiryAtMs,
  sortOut,
} from "../domain/ledger.ts";
import { verdictOf } from "../domain/verdict.ts";

/** From reservation to a running guest, ms: a boot takes milliseconds, a restarted agent some seconds. */
export const DEFAULT_START_DEADLINE_MS = 60_000;
/** Events one look may append before other ledgers get their turn. */
const MAX_STEPS_PER_LOOK = 16;

export interface AllocatorOptions {
  readonly startDeadlineMs?: number;
}

export function createAllocator(ports: ServicePorts, options: AllocatorOptions = {}) {
  const allocator = new Allocator(ports, options.startDeadlineMs ?? DEFAULT_START_DEADLINE_MS);
  return {
    sinks: [allocator.ledgers, allocator.vms, allocator.chassis],
    endpoints: [
      serve(ENDPOINTS.ledgerReserve, (request, causation) => allocator.reserve(request, causation)),
      serve(ENDPOINTS.ledgerResize, (request, causation) => allocator.resize(request, causation)),
      serve(ENDPOINTS.ledgerGet, (request) => allocator.get(request)),
      serve(ENDPOINTS.ledgerList, () => allocator.list()),
    ],
    begin: (feed: EventFeed) => allocator.begin(feed),
    end: () => allocator.end(),
  };
}

class Allocator {
  readonly ledgers: Aggregates<Ledger>;
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  readonly #ports: ServicePorts;
  readonly #startDeadlineMs: number;
  readonly #reconciler: Reconciler;
  #knownSeq: () => number = () => 0;
  #lease: Lease | undefined;

  constructor(ports: ServicePorts, startDeadlineMs: number) {
    const { log, clock, ids, timers, logger } = ports;
    this.#ports = ports;
    this.#startDeadlineMs = startDeadlineMs;
    this.ledgers = new Aggregates({
      kind: "ledger",
      fold: ledgerFold,
      log,
      clock,
      ids,
      source: "/bioxen/allocator",
    });
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: async (chassisId) => (this.#acts() ? this.#settle(chassisId) : undefined),
      onError: (chassisId, thrown) =>
        logger.warn({ chassisId, err: thrown }, `a step failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    this.#knownSeq = () => feed.appliedSeq;
    feed.onEvent((event) => this.#wakeFor(event));
    this.#lease = this.#ports.leases.contend("allocator", {
      onHeld: () => {
        for (const chassisId of this.chassis.ids()) this.#reconciler.wake(chassisId);
        for (const chassisId of this.ledgers.ids()) this.#reconciler.wake(chassisId);
      },
      onLost: () => undefined,
    });
  }

  async end(): Promise<void> {
    await this.#reconciler.stop();
    await this.#lease?.release();
  }

  /** Whether this instance settles: the holder of the lease does; every instance answers requests. */
  #acts(): boolean {
    return this.#lease?.token() !== undefined;
  }

  #wakeFor({ envelope }: StoredEvent): void {
    const slash = envelope.subject.indexOf("/");
    const id = envelope.subject.slice(slash + 1);
    if (envelope.subject.slice(0, slash) !== "vm") {
      this.#reconciler.wake(id);
      return;
    }
    for (const [chassisId, { state }] of this.ledgers.entries()) {
      if (state.entries[id] !== undefined) this.#reconciler.wake(chassisId);
    }
  }

  async #settle(chassisId: string): Promise<{ readonly dueAtMs: number } | undefined> {
    for (let i = 0; i < MAX_STEPS_PER_LOOK; i += 1) {
      const chassis = this.chassis.get(chassisId);
      const registered = chassis.registered ? chassis : null;
      const decide = (ledger: Ledger) => {
        const followed = decideFollowChassis(ledger, registered);
        if (!followed.ok || followed.event !== null) return followed;
        const freed = decideFollowPreemption(ledger, (vmId) => this.vms.get(vmId));
        if (!freed.ok || freed.event !== null) return freed;
        const knownSeq = this.#knownSeq();
        return decideSettle(
          ledger,
          (entry) => verdictOf(entry, this.vms.get(entry.vmId), knownSeq),
          this.#ports.clock.nowMs(),
        );
      };
      const causation = this.#causation(chassisId);
      const executed = await this.ledgers.react(chassisId, causation, decide, () => this.#acts());
      invariant(executed.ok, "settling refuses nothing", { chassisId });
      if (!executed.changed) break;
    }
    const dueAtMs = nextExpiryAtMs(this.ledgers.get(chassisId).state);
    return dueAtMs === undefined ? undefined : { dueAtMs };
  }

  #causation(chassisId: string): Causation {
    const cause = this.ledgers.get(chassisId).last ?? this.chassis.last(chassisId);
    invariant(cause !== undefined, "a ledger that is looked at has a chassis", { chassisId });
    return causedBy(cause);
  }

  async reserve(
    { chassisId, planId, reservations, proposerToken }: ParsedRequestOf<"ledgerReserve">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerReserve">>> {
    const expiresAtMs = this.#ports.clock.nowMs() + this.#startDeadlineMs;
    let sorted: ReturnType<typeof sortOut> = { fit: [], refused: [] };
    const executed = await this.ledgers.execute(chassisId, causation, (ledger) => {
      sorted = sortOut(chassisId, ledger, reservations);
      const proposal = { planId, reservations, expiresAtMs, proposerToken };
      return decideReserve(chassisId, ledger, proposal, this.#newestProposer());
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return done({
      seq: executed.changed ? executed.held.lastSeq : null,
      reserved: sorted.fit.map((one) => one.vmId),
      refused: sorted.refused.map(({ vmId, misfit }) => ({ vmId, refusal: { chassisId, ...misfit } })),
    });
  }

  #newestProposer(): number {
    return Math.max(0, ...[...this.ledgers.entries()].map(([, { state }]) => state.proposerToken));
  }

  async resize(
    { chassisId, vmId, fence, amounts }: ParsedRequestOf<"ledgerResize">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"ledgerResize">>> {
    const executed = await this.ledgers.execute(chassisId, causation, (ledger) =>
      decideResize(chassisId, ledger, vmId, fence, amounts),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return done({ changed: executed.changed, seq: executed.held.lastSeq });
  }

  async get({ chassisId, atSeq }: ParsedRequestOf<"ledgerGet">): Promise<Handled<ResultOf<"ledgerGet">>> {
    const { log } = this.#ports;
    const beyond = atSeq === undefined ? undefined : await beyondLog(log, atSeq);
    if (beyond !== undefined) return beyond;
    const ledger =
      atSeq === undefined
        ? (await this.ledgers.refresh(chassisId)).state
        : await foldAt(log, this.ledgers.streamSubject(chassisId), ledgerFold, atSeq);
    if (!ledger.open) return refuse("CHASSIS_NOT_FOUND", `there is no ledger of ${chassisId}`);
    return done({ ledger: viewOfLedger(chassisId, ledger) });
  }

  list(): Handled<ResultOf<"ledgerList">> {
    const open = [...this.ledgers.entries()].filter(([, { state }]) => state.open);
    const sorted = open.sort(([a], [b]) => (a < b ? -1 : 1));
    return done({ ledgers: sorted.map(([chassisId, { state }]) => viewOfLedger(chassisId, state)) });
  }
}
