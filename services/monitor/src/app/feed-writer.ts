/**
 * Writes the feed of tenants: every event, measurement and line of a VM under the name of the VM's owner.
 *
 * Only the lease holder writes. Events are stored in the order of the log, each directly after the one before it, and the
 * last stored event says how far the log has been read. A writer that takes over therefore continues where the other one
 * ended, and a writer that has lost its lease without noticing stores nothing more (packages/kernel/src/tenant-feed.ts).
 *
 * An event is in the feed of the owner that the VM has after it. The event that transfers a VM is the first one in the
 * feed of its new owner; the earlier ones stay where they are.
 */
import {
  ALL_VM_LOGS,
  aggregateOf,
  eventSubject,
  feedSubjects,
  guestLine,
  hasFeed,
  type VmSample,
  type VmState,
  vmFold,
  vmLogSubject,
  withoutVms,
} from "@bioxen/contracts";
import {
  type EventEnvelope,
  type EventFeed,
  type FeedEntry,
  type FeedPosition,
  foldAt,
  messageOf,
  type ReadModel,
  Reconciler,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
  type TenantFeed,
} from "@bioxen/kernel";

/** Maximum number of events that one write stores. */
const WRITE_BATCH = 256;
/** Maximum number of events that a writer that takes over reads at a time. */
const READ_BATCH = 5_000;
/**
 * Maximum number of new events that wait for their write. Beyond it, all of them are forgotten, and read from the log
 * once the feed can be written again.
 */
const MAX_WAITING = 10_000;
/** Longest wait for the next event of the log while the writer reads it, ms. */
const READ_TIMEOUT_MS = 10_000;
/** The only key of the reconciler. */
const FEED = "feed";

export interface FeedWorld {
  readonly ports: ServicePorts;
  readonly feed: TenantFeed;
  readonly vms: Pick<ReadModel<VmState>, "get" | "values">;
  /** Returns true when the log says that the agent runs the VM. */
  readonly isRunBy: (agentId: string, vmId: string) => boolean;
  /** Returns true while this instance holds the lease. */
  readonly acts: () => boolean;
}

interface Waiting {
  readonly event: StoredEvent;
  readonly owner: string;
}

export class FeedWriter {
  readonly #world: FeedWorld;
  readonly #reconciler: Reconciler;
  /** New events of VMs with a feed, in the order of the log, without a gap after {@link #waitingFrom}. */
  #waiting: Waiting[] = [];
  /** Sequence of the log after which every event with a feed is in {@link #waiting}, or was there. */
  #waitingFrom = 0;
  #position: FeedPosition | undefined;
  #log: EventFeed | undefined;
  #lines: { stop(): void } | undefined;

  constructor(world: FeedWorld) {
    this.#world = world;
    const { clock, timers, logger } = world.ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: () => this.#step(),
      onError: (_key, thrown) =>
        logger.warn({ err: thrown }, `writing the feed of tenants failed: ${messageOf(thrown)}`),
    });
  }

  begin(log: EventFeed): void {
    this.#log = log;
    this.#waitingFrom = log.appliedSeq;
    log.onEvent((event) => this.#observe(event));
    this.#lines = this.#world.ports.bus.subscribe(ALL_VM_LOGS, (payload, subject, sender) =>
      this.#passLine(payload, subject, sender),
    );
  }

  /** Continues where the last writer ended. Call it when this instance gets the lease. */
  takeOver(): void {
    this.#position = undefined;
    this.#reconciler.wake(FEED);
  }

  async end(): Promise<void> {
    this.#lines?.stop();
    await this.#reconciler.stop();
  }

  /** Passes a measurement on to the owner of its VM. */
  passSample(sample: VmSample): void {
    const owner = this.#ownerOf(sample.vmId);
    if (owner === undefined || !this.#world.acts()) return;
    this.#world.ports.bus.publish(feedSubjects(owner, sample.vmId).telemetry, sample);
  }

  #passLine(payload: unknown, subject: string, sender: string | undefined): void {
    const { success, data } = guestLine.safeParse(payload);
    if (!success || subject !== vmLogSubject(data.vmId) || !this.#world.acts()) return;
    const owner = this.#ownerOf(data.vmId);
    if (owner === undefined || (sender !== undefined && !this.#world.isRunBy(sender, data.vmId))) return;
    this.#world.ports.bus.publish(feedSubjects(owner, data.vmId).log, data);
  }

  /** Returns the owner of a VM with a feed, as this instance knows it. */
  #ownerOf(vmId: string): string | undefined {
    const vm = this.#world.vms.get(vmId);
    return vm.exists && hasFeed(vm.owner) ? vm.owner : undefined;
  }

  #observe(event: StoredEvent): void {
    const { kind, id: vmId } = aggregateOf(event.envelope.subject);
    if (!this.#world.acts()) {
      this.#forget();
      return;
    }
    const owner = kind === "vm" ? this.#ownerOf(vmId) : undefined;
    if (owner === undefined) return;
    this.#waiting.push({ event, owner });
    if (this.#waiting.length > MAX_WAITING) this.#forget();
    this.#reconciler.wake(FEED);
  }

  /** Forgets the waiting events: those up to now are read from the log, if this instance writes them. */
  #forget(): void {
    this.#waiting = [];
    this.#waitingFrom = this.#log?.appliedSeq ?? 0;
  }

  async #step(): Promise<StepResult> {
    if (!this.#world.acts()) return undefined;
    try {
      const position = this.#position ?? (await this.#readPosition());
      this.#position = undefined;
      this.#position =
        position.logSeq < this.#waitingFrom ? await this.#catchUp(position) : await this.#writeNew(position);
      const isDone = this.#position.logSeq >= this.#waitingFrom && this.#waiting.length === 0;
      return isDone ? undefined : { dueAtMs: this.#world.ports.clock.nowMs() };
    } catch (thrown) {
      // The events of the failed write may be stored or not: the position of the feed tells.
      this.#forget();
      throw thrown;
    }
  }

  async #writeNew(position: FeedPosition): Promise<FeedPosition> {
    const taken = this.#waiting.splice(0, WRITE_BATCH).filter(({ event }) => event.seq > position.logSeq);
    return this.#write(
      taken.map(({ event, owner }) => this.#entryOf(event, owner)),
      position,
    );
  }

  async #catchUp(position: FeedPosition): Promise<FeedPosition> {
    const { entries, untilSeq } = await this.#readLog(position.logSeq);
    const { seq } = await this.#write(entries, position);
    return { seq, logSeq: untilSeq };
  }

  async #write(entries: readonly FeedEntry[], after: FeedPosition): Promise<FeedPosition> {
    let position = after;
    for (let i = 0; i < entries.length; i += WRITE_BATCH) {
      position = await this.#world.feed.append(entries.slice(i, i + WRITE_BATCH), position);
    }
    return position;
  }

  async #readPosition(): Promise<FeedPosition> {
    const position = await this.#world.feed.position();
    const end = this.#log?.appliedSeq ?? 0;
    if (position.logSeq <= end) return position;
    this.#world.ports.logger.warn(
      { feed: position.logSeq, log: end },
      "the feed of tenants has events of another log: it continues with the events from now on",
    );
    return { seq: position.seq, logSeq: end };
  }

  /**
   * Returns the entries of at most {@link READ_BATCH} events after `afterSeq`, and the sequence up to which the log has then
   * been read. The owner of a VM at that time may not be its owner now, so it is folded from the log.
   */
  async #readLog(afterSeq: number): Promise<{ entries: FeedEntry[]; untilSeq: number }> {
    const endSeq = this.#waitingFrom;
    // Without a VM of a tenant, destroyed ones included, no event up to now belongs to one.
    if (![...this.#world.vms.values()].some((vm) => vm.exists && hasFeed(vm.owner)))
      return { entries: [], untilSeq: endSeq };
    const events = await this.#eventsAfter(afterSeq, endSeq);
    const owners = new Map<string, string | undefined>();
    const entries: FeedEntry[] = [];
    for (const event of events) {
      const { id: vmId } = aggregateOf(event.envelope.subject);
      const changesOwner = /^bioxen\.vm\.(?:created|transferred)\./.test(event.envelope.type);
      if (!owners.has(vmId) || changesOwner) owners.set(vmId, await this.#ownerAt(vmId, event.seq));
      const owner = owners.get(vmId);
      if (owner !== undefined) entries.push(this.#entryOf(event, owner));
    }
    return { entries, untilSeq: events.length < READ_BATCH ? endSeq : (events.at(-1)?.seq ?? endSeq) };
  }

  async #ownerAt(vmId: string, seq: number): Promise<string | undefined> {
    const vm = await foldAt(this.#world.ports.log, eventSubject("vm", vmId), vmFold, seq);
    return vm.exists && hasFeed(vm.owner) ? vm.owner : undefined;
  }

  /** Reads at most {@link READ_BATCH} events of VMs after `afterSeq` and up to `endSeq`. */
  async #eventsAfter(afterSeq: number, endSeq: number): Promise<StoredEvent[]> {
    const { log, timers } = this.#world.ports;
    const events: StoredEvent[] = [];
    let settle: (cause?: unknown) => void = () => undefined;
    const read = new Promise<void>((resolve, reject) => {
      settle = (cause) => (cause === undefined ? resolve() : reject(cause));
    });
    // It may reject before the `await` below; an unhandled rejection would end the process.
    read.catch(() => undefined);
    const late = timers.after(READ_TIMEOUT_MS, () =>
      settle(new Error(`the log gave no event after ${afterSeq}`)),
    );
    const following = await log.follow({
      fromSeq: afterSeq + 1,
      filter: eventSubject("vm", "*"),
      window: READ_BATCH,
      onEvent(event) {
        if (event.seq > endSeq || events.length >= READ_BATCH) return settle();
        events.push(event);
      },
      onUnreadable: () => undefined,
      onCaughtUp: () => settle(),
      onStop: settle,
    });
    await read.finally(() => {
      late.cancel();
      return following.stop();
    });
    return events;
  }

  #entryOf({ seq, envelope }: StoredEvent, owner: string): FeedEntry {
    const { id: vmId } = aggregateOf(envelope.subject);
    const isHidden = (id: string) => {
      const vm = this.#world.vms.get(id);
      return vm.exists && vm.owner !== owner;
    };
    const payload: EventEnvelope = withoutVms(envelope, owner, isHidden);
    return { subject: feedSubjects(owner, vmId).events, payload, logSeq: seq };
  }
}
