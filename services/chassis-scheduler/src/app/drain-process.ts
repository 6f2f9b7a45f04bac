/**
 * Process manager of drains: cordons the chassis, asks lifecycle for a few moves at a time, records progress, and
 * cleans up after the end.
 *
 * It is level-triggered and runs on the lease holder only. Every step compares the drain with the present VMs. A
 * move that is requested twice, or late, changes nothing, and a move requested after the end of its drain is cancelled.
 * The only memory is the back-off of VMs whose move has failed; a crash loses it and costs one more try.
 */
import {
  callEndpoint,
  callFailure,
  type Drain,
  type DrainState,
  domainEventOf,
  ENDPOINTS,
  isFinalRefusal,
  type VmEvent,
} from "@bioxen/contracts";
import {
  type Backoff,
  backoffDelayMs,
  causedBy,
  type EventFeed,
  invariant,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
  UNCHANGED,
  type Versioned,
} from "@bioxen/kernel";
import { chassisDecider, isCordonOfCancelledDrain } from "../domain/chassis.ts";
import { drainDecider, isDraining, movesDue, movesToCancel } from "../domain/drain.ts";
import type { Cluster } from "./cluster.ts";
import type { Leadership } from "./leadership.ts";

/** Deadline of one call to lifecycle, ms. The call appends a single event. */
const CALL_TIMEOUT_MS = 10_000;
/** Time between two attempts to move one VM. Each attempt stops the VM's guest for a moment. */
const MOVE_BACKOFF: Backoff = { firstMs: 1_000, ceilingMs: 60_000 };

interface FailedMoves {
  /** Instant before which no further move of the VM is requested, ms. */
  readonly untilMs: number;
  readonly failures: number;
}

export class DrainProcess {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #leadership: Leadership;
  /**
   * Resolves once the folds have the outcome of the placement round in progress, or once that round has failed. The
   * round may still place VMs on a chassis that was just cordoned.
   */
  readonly #placementsSettled: () => Promise<void>;
  readonly #reconciler: Reconciler;
  #feed: EventFeed | undefined;
  /** By VM id, the failed moves of VMs on draining chassis. A VM has an entry only if its last move has failed. */
  readonly #failedMoves = new Map<string, FailedMoves>();
  /** Ids of the chassis that are being drained. */
  readonly #draining = new Set<string>();

  constructor(
    ports: ServicePorts,
    cluster: Cluster,
    leadership: Leadership,
    placementsSettled: () => Promise<void>,
  ) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#leadership = leadership;
    this.#placementsSettled = placementsSettled;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (chassisId) => this.#step(chassisId),
      onError: (chassisId, thrown) =>
        ports.logger.warn(
          { chassisId, err: thrown },
          `a step of the drain of ${chassisId} failed: ${messageOf(thrown)}`,
        ),
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
    if (kind === "drain" || ((kind === "chassis" || kind === "ledger") && this.#hasDrain(id))) {
      this.#reconciler.wake(id);
    }
    if (kind === "vm") this.#noteVm(id, event.type);
  }

  #hasDrain(chassisId: string): boolean {
    return this.#cluster.drains.get(chassisId).state.exists;
  }

  #noteVm(vmId: string, type: VmEvent["type"]): void {
    const vm = this.#cluster.vms.get(vmId);
    const chassisId = vm.exists ? vm.chassisId : null;
    const isToLeave = chassisId !== null && this.#draining.has(chassisId);
    if (!isToLeave) this.#failedMoves.delete(vmId);
    else if (type === "bioxen.vm.migration-cancelled.v1") this.#backOff(vmId);
    if (chassisId !== null && this.#hasDrain(chassisId)) this.#reconciler.wake(chassisId);
    for (const id of this.#draining) {
      const { state } = this.#cluster.drains.get(id);
      if (id !== chassisId && state.exists && state.vms[vmId] === null) this.#reconciler.wake(id);
    }
  }

  #backOff(vmId: string): void {
    const failures = (this.#failedMoves.get(vmId)?.failures ?? 0) + 1;
    const untilMs = this.#ports.clock.nowMs() + backoffDelayMs(MOVE_BACKOFF, failures);
    this.#failedMoves.set(vmId, { failures, untilMs });
  }

  #isBackingOff(vmId: string): boolean {
    return (this.#failedMoves.get(vmId)?.untilMs ?? 0) > this.#ports.clock.nowMs();
  }

  async #step(chassisId: string): Promise<StepResult> {
    const { drains, occupancy } = this.#cluster;
    if (!this.#leadership.acts() || !drains.get(chassisId).state.exists) return undefined;
    if (isDraining(drains.get(chassisId).state)) await this.#advance(chassisId);
    const held = drains.get(chassisId);
    if (!isDraining(held.state)) {
      await this.#cleanUp(chassisId, held);
      return undefined;
    }
    // The feed has not delivered the newest event of this drain yet. That event wakes the process again.
    if (!occupancy.isCaughtUpWithDrain(chassisId)) return undefined;
    const { here } = occupancy.of(chassisId);
    const untilMs = [...here].flatMap((vmId) => this.#failedMoves.get(vmId)?.untilMs ?? []);
    const nowMs = this.#ports.clock.nowMs();
    return { dueAtMs: Math.min(held.state.deadlineAtMs, ...untilMs.filter((ms) => ms > nowMs)) };
  }

  /** Cordons the chassis, appends what is due for the drain, and requests the moves that are due. */
  async #advance(chassisId: string): Promise<void> {
    const { chassis, drains, occupancy } = this.#cluster;
    const { acts } = this.#leadership;
    const before = chassis.get(chassisId).state;
    const isOpen = before.registered && !before.cordoned;
    // The chassis may be open because the drain has ended and this instance has not read that event yet, so it reads
    // the log first.
    const { state: drain } = isOpen ? await drains.refresh(chassisId) : drains.get(chassisId);
    if (!isDraining(drain)) return;
    const causation = causedBy(drain.startedBy);
    if (isOpen) {
      const command = { type: "cordon-for-drain", chassisId, drain } as const;
      await chassis.react(chassisId, causation, (state) => chassisDecider.decide(state, command), acts);
    }
    await this.#placementsSettled();
    const decide = (state: DrainState) => {
      if (!occupancy.isCaughtUpWithDrain(chassisId)) return UNCHANGED;
      const nowMs = this.#ports.clock.nowMs();
      return drainDecider.decide(state, { type: "advance", occupants: occupancy.of(chassisId), nowMs });
    };
    const executed = await drains.react(chassisId, causation, decide, acts);
    invariant(executed.ok, "advancing a drain is never rejected", { chassisId });
    const { state } = drains.get(chassisId);
    if (!isDraining(state)) return;
    const due = movesDue(state, occupancy.of(chassisId), (vmId) => this.#isBackingOff(vmId));
    await this.#all(due, (vmId) => this.#move(chassisId, vmId, state));
  }

  /**
   * After the end of a drain, cancels the moves that it requested and that are not done. Lifts the cordon if the drain
   * was cancelled.
   */
  async #cleanUp(chassisId: string, { state: drain, last }: Versioned<DrainState>): Promise<void> {
    invariant(last !== undefined, "a drain that ended has an event", { chassisId });
    const { chassis, occupancy } = this.#cluster;
    const causation = causedBy(last);
    await this.#all(movesToCancel(drain, occupancy.of(chassisId)), async (vmId) => {
      const { subject } = ENDPOINTS.vmCancelMigration;
      const reply = await this.#ports.bus.call(subject, { vmId }, { timeoutMs: CALL_TIMEOUT_MS, causation });
      // A VM that has left meanwhile has no move to cancel: that rejection is final and harmless.
      if (!reply.ok && !isFinalRefusal(reply.error)) throw callFailure(subject, reply.error);
    });
    if (!isCordonOfCancelledDrain(chassis.get(chassisId).state, drain)) return;
    const { acts } = this.#leadership;
    const command = { type: "uncordon-after-drain", drain } as const;
    await chassis.react(chassisId, causation, (state) => chassisDecider.decide(state, command), acts);
  }

  /**
   * Makes the call for all VMs concurrently. After all calls have ended, throws the first failure, so that the step is
   * retried.
   */
  async #all(vmIds: readonly string[], call: (vmId: string) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(
      vmIds.map(async (vmId) => {
        if (this.#leadership.acts()) await call(vmId);
      }),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #move(chassisId: string, vmId: string, { startedBy }: Drain): Promise<void> {
    const reason = `${chassisId} is being drained`;
    const reply = await callEndpoint(
      this.#ports.bus,
      ENDPOINTS.vmMove,
      { vmId, fromChassisId: chassisId, code: "DRAIN", reason },
      { timeoutMs: CALL_TIMEOUT_MS, causation: causedBy(startedBy) },
    );
    if (!reply.ok) {
      this.#backOff(vmId);
      if (!isFinalRefusal(reply.error)) throw callFailure(ENDPOINTS.vmMove.subject, reply.error);
      this.#ports.logger.info(
        { chassisId, vmId, error: reply.error },
        "a drain's request to move was rejected",
      );
      return;
    }
    await this.#feed?.applied(reply.seq);
  }
}
