/**
 * Drives drains along: cordons, asks lifecycle for moves a few at a time, writes down who has gone, and tidies up after the end.
 *
 * Level-triggered, by the holder of the lease only. Every look compares the drain with the VMs as they are; a move that is asked for
 * twice, or late, changes nothing, and one that comes after its drain has ended is taken back. Nothing is remembered but who just failed
 * to move, so that it is not tried again in the same breath: a crash forgets that, and costs a try.
 */
import { type DrainState, domainEventOf, ENDPOINTS, type ResultOf, type VmEvent } from "@bioxen/contracts";
import {
  type Backoff,
  backoffDelayMs,
  causedBy,
  type EventFeed,
  type Held,
  invariant,
  messageOf,
  Reconciler,
  type Reply,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
  UNCHANGED,
} from "@bioxen/kernel";
import { decideUncordon } from "../domain/chassis.ts";
import {
  decideClose,
  decideDrainStep,
  isDraining,
  isToUncordon,
  movesDue,
  movesToTakeBack,
} from "../domain/drain.ts";
import { callFailure } from "./call-failure.ts";
import type { Cluster } from "./cluster.ts";
import type { Leadership } from "./leadership.ts";

/** Deadline of one call, ms: an append. */
const CALL_TIMEOUT_MS = 10_000;
/** Waits between the tries to move one VM. Each try stops its guest for a moment. */
const MOVE_BACKOFF: Backoff = { firstMs: 1_000, ceilingMs: 60_000 };

interface Rest {
  readonly untilMs: number;
  readonly failures: number;
}

export class DrainProcess {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #leadership: Leadership;
  /** Resolves once what is being placed now is in the picture: it may be placed on a chassis that has just been closed. */
  readonly #placed: () => Promise<void>;
  readonly #reconciler: Reconciler;
  #feed: EventFeed | undefined;
  /** VMs whose last move failed. */
  readonly #resting = new Map<string, Rest>();
  /** Chassis that are being drained. */
  readonly #draining = new Set<string>();

  constructor(ports: ServicePorts, cluster: Cluster, leadership: Leadership, placed: () => Promise<void>) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#leadership = leadership;
    this.#placed = placed;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (chassisId) => this.#step(chassisId),
      onError: (chassisId, thrown) =>
        ports.logger.warn({ chassisId, err: thrown }, `a look at a drain failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
    for (const chassisId of this.#cluster.drains.ids()) this.#noteDrain(chassisId);
    feed.onEvent((event) => this.#note(event));
    this.#leadership.onHeld(() => {
      for (const chassisId of this.#cluster.drains.ids()) this.#reconciler.wake(chassisId);
    });
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  #noteDrain(chassisId: string): void {
    if (isDraining(this.#cluster.drains.get(chassisId).state)) this.#draining.add(chassisId);
    else this.#draining.delete(chassisId);
  }

  #note({ envelope }: StoredEvent): void {
    const event = domainEventOf(envelope);
    const { kind, id } = event;
    if (kind === "drain") this.#noteDrain(id);
    if (kind === "drain" || ((kind === "chassis" || kind === "ledger") && this.#isKnown(id))) {
      this.#reconciler.wake(id);
    }
    if (event.kind === "vm") this.#noteVm(id, event);
  }

  #isKnown(chassisId: string): boolean {
    return this.#cluster.drains.get(chassisId).state.exists;
  }

  #noteVm(vmId: string, event: VmEvent): void {
    const vm = this.#cluster.vms.get(vmId);
    const chassisId = vm.exists ? vm.chassisId : null;
    const isToLeave = chassisId !== null && this.#draining.has(chassisId);
    if (!isToLeave) this.#resting.delete(vmId);
    else if (event.type === "bioxen.vm.migration-cancelled.v1") this.#rest(vmId);
    if (chassisId !== null && this.#isKnown(chassisId)) this.#reconciler.wake(chassisId);
    for (const id of this.#draining) {
      const { state } = this.#cluster.drains.get(id);
      if (id !== chassisId && state.exists && state.vms[vmId] === null) this.#reconciler.wake(id);
    }
  }

  #rest(vmId: string): void {
    const failures = (this.#resting.get(vmId)?.failures ?? 0) + 1;
    const untilMs = this.#ports.clock.nowMs() + backoffDelayMs(MOVE_BACKOFF, failures);
    this.#resting.set(vmId, { failures, untilMs });
  }

  async #step(chassisId: string): Promise<StepResult> {
    const { drains } = this.#cluster;
    if (!this.#leadership.acts() || !drains.get(chassisId).state.exists) return undefined;
    if (isDraining(drains.get(chassisId).state)) await this.#goOn(chassisId);
    const held = drains.get(chassisId);
    if (!isDraining(held.state)) {
      await this.#tidy(chassisId, held);
      return undefined;
    }
    // The feed is about to bring what the drain has said, and wakes it.
    if (!this.#cluster.occupancy.isCaughtUpWithDrain(chassisId)) return undefined;
    const { here } = this.#cluster.occupancy.of(chassisId);
    const untilMs = [...here].flatMap((vmId) => this.#resting.get(vmId)?.untilMs ?? []);
    const nowMs = this.#ports.clock.nowMs();
    return { dueAtMs: Math.min(held.state.deadlineAtMs, ...untilMs.filter((ms) => ms > nowMs)) };
  }

  async #goOn(chassisId: string): Promise<void> {
    const { chassis, drains } = this.#cluster;
    const { acts } = this.#leadership;
    const closed = chassis.get(chassisId).state;
    // Whoever has opened it may have heard that the drain has ended.
    const isOpen = closed.registered && !closed.cordoned;
    const { state } = isOpen ? await drains.refresh(chassisId) : drains.get(chassisId);
    if (!isDraining(state)) return;
    const causation = causedBy(state.startedBy);
    if (isOpen) await chassis.react(chassisId, causation, (one) => decideClose(chassisId, state, one), acts);
    await this.#placed();
    const decide = (drain: DrainState) =>
      this.#cluster.occupancy.isCaughtUpWithDrain(chassisId)
        ? decideDrainStep(drain, this.#cluster.occupancy.of(chassisId), this.#ports.clock.nowMs())
        : UNCHANGED;
    const executed = await drains.react(chassisId, causation, decide, acts);
    invariant(executed.ok, "a process decides nothing that is refused", { chassisId });
    const now = drains.get(chassisId).state;
    if (!isDraining(now)) return;
    const due = movesDue(now, this.#cluster.occupancy.of(chassisId), (vmId) => this.#isResting(vmId));
    await this.#all(due, (vmId) => this.#move(chassisId, vmId, now));
  }

  #isResting(vmId: string): boolean {
    return (this.#resting.get(vmId)?.untilMs ?? 0) > this.#ports.clock.nowMs();
  }

  async #tidy(chassisId: string, { state, last }: Held<DrainState>): Promise<void> {
    invariant(last !== undefined, "a drain that ended has an event", { chassisId });
    const { chassis } = this.#cluster;
    const causation = causedBy(last);
    await this.#all(movesToTakeBack(state, this.#cluster.occupancy.of(chassisId)), async (vmId) => {
      const { subject } = ENDPOINTS.vmCancelMigration;
      const reply = await this.#ports.bus.call(subject, { vmId }, { timeoutMs: CALL_TIMEOUT_MS, causation });
      // Whoever is gone meanwhile has no move to take back.
      if (!reply.ok && reply.error.retryable) throw callFailure(subject, reply.error);
    });
    if (!isToUncordon(state, chassis.get(chassisId).state)) return;
    const { acts } = this.#leadership;
    await chassis.react(
      chassisId,
      causation,
      (one) => (isToUncordon(state, one) ? decideUncordon(chassisId, one) : { ok: true, event: null }),
      acts,
    );
  }

  /** Asks each in its own call; one that fails keeps no other back, and has the look made again. */
  async #all(vmIds: readonly string[], call: (vmId: string) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(
      vmIds.map(async (vmId) => {
        if (this.#leadership.acts()) await call(vmId);
      }),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #move(chassisId: string, vmId: string, { startedBy }: Extract<DrainState, { exists: true }>) {
    const { subject } = ENDPOINTS.vmMove;
    const reason = `${chassisId} is being drained`;
    const reply = await this.#ports.bus.call(
      subject,
      { vmId, fromChassisId: chassisId, code: "DRAIN", reason },
      { timeoutMs: CALL_TIMEOUT_MS, causation: causedBy(startedBy) },
    );
    if (!reply.ok) {
      this.#rest(vmId);
      if (reply.error.retryable) throw callFailure(subject, reply.error);
      this.#ports.logger.info({ chassisId, vmId, error: reply.error }, "it cannot be asked to move");
      return;
    }
    await this.#feed?.applied((reply as Reply & ResultOf<"vmMove">).seq);
  }
}
