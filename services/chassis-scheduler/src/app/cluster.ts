/**
 * The scheduler's view of the cluster: the folds of the log, and what is derived from them event by event.
 *
 * `waiting` is the demand, `rooms` the supply; a plan reads both. Before `begin` the view is empty.
 */
import {
  aggregateOf,
  type Chassis,
  type ChassisState,
  chassisFold,
  type DrainState,
  drainFold,
  eventSubject,
  FrozenPages,
  type Ledger,
  ledgerFold,
  type Misfit,
  type Quota,
  type QuotaState,
  quotaFold,
  StatePages,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import {
  Aggregates,
  type Clock,
  type EventFeed,
  ReadModel,
  type ServicePorts,
  type StoredEvent,
} from "@bioxen/kernel";
import type { ChassisRoom, WaitingVm } from "@bioxen/placement";
import { ChassisRooms } from "./chassis-rooms.ts";
import { FreedRoom } from "./freed-room.ts";
import { ChassisLiveness } from "./liveness.ts";
import { Occupancy } from "./occupancy.ts";
import { WaitingVms } from "./waiting-vms.ts";

export class Cluster {
  readonly chassis: Aggregates<ChassisState>;
  readonly drains: Aggregates<DrainState>;
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  readonly quotaStates = new ReadModel<QuotaState>("quota", quotaFold);
  readonly liveness: ChassisLiveness;
  readonly occupancy: Occupancy;
  readonly chassisPages: StatePages<ChassisState>;
  /** The results that are kept for the following pages of a plan, an explanation or a drain. */
  readonly frozenPages: FrozenPages;
  readonly #waiting: WaitingVms;
  readonly #freed: FreedRoom;
  readonly #clock: Clock;
  readonly #rooms: ChassisRooms;
  #feed: EventFeed | undefined;

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    const { log, clock, ids, timers } = ports;
    const source = "/bioxen/chassis-scheduler";
    this.chassis = new Aggregates({ kind: "chassis", fold: chassisFold, log, clock, ids, source });
    this.drains = new Aggregates({ kind: "drain", fold: drainFold, log, clock, ids, source });
    this.liveness = new ChassisLiveness(ports, monotonicMs, lostAfterMs);
    this.#clock = clock;
    this.#freed = new FreedRoom(this.vms);
    this.#waiting = new WaitingVms(this.vms, this.ledgers);
    this.#rooms = new ChassisRooms(this, this.liveness);
    this.occupancy = new Occupancy(this, this.#waiting);
    const appliedSeq = () => this.#feed?.appliedSeq ?? 0;
    const applied = async (seq: number) => this.#feed?.applied(seq);
    this.chassisPages = new StatePages({ states: this.chassis, log, appliedSeq, applied });
    this.frozenPages = new FrozenPages({ clock, timers, ids, appliedSeq });
  }

  /** Builds the view from the present state of the folds, and updates it after each further event. */
  begin(feed: EventFeed): void {
    this.#feed = feed;
    this.#rooms.begin();
    this.#waiting.begin();
    this.occupancy.begin(feed);
    feed.onEvent((event) => this.#note(event));
  }

  #note(event: StoredEvent): void {
    const { kind, id } = aggregateOf(event.envelope.subject);
    const isTransfer = event.envelope.type === "bioxen.vm.transferred.v1";
    this.#freed.note(event);
    if (kind === "vm") this.#waiting.noteVm(id);
    if (kind === "chassis" || kind === "ledger" || kind === "drain") this.#rooms.note(id);
    if (kind === "ledger") this.#waiting.noteLedger(id);
    // The terms of a VM see the VMs of its owner, so a transfer changes the neighbours of a placed VM.
    if (isTransfer) for (const chassisId of this.ledgersOf(id)) this.#rooms.note(chassisId);
  }

  /** Returns the registered chassis in order of id. */
  registered(): [string, Chassis][] {
    const all = [...this.chassis.entries()].flatMap(([chassisId, { state }]): [string, Chassis][] =>
      state.registered ? [[chassisId, state]] : [],
    );
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Returns the free resources of every chassis with an open ledger, in order of chassis id. */
  rooms(): ChassisRoom[] {
    return this.#rooms.all();
  }

  quotas(): Quota[] {
    return [...this.quotaStates.values()].flatMap((quota) => (quota.exists ? [quota] : []));
  }

  /** Returns the quotas whose events cannot be read: by label, the reason why no VM can be charged to the quota. */
  closedQuotas(): Map<string, Misfit> {
    const closed = new Map<string, Misfit>();
    for (const { first } of this.quotaStates.asides()) {
      const quota = this.quotaStates.get(first.streamSubject.slice(eventSubject("quota", "").length));
      if (!quota.exists) continue;
      const message = `quota ${quota.label} cannot be charged: event ${first.seq} on ${first.streamSubject} cannot be read`;
      closed.set(quota.label, { code: "UNAVAILABLE", message });
    }
    return closed;
  }

  /** Returns the VMs that want a place and have none: pending VMs, and VMs that must move. */
  waiting(): WaitingVm[] {
    return this.#waiting.allAt(this.#clock.nowMs(), (chassisId, seq) =>
      this.#freed.hasRoomSince(chassisId, seq),
    );
  }

  /** Returns true when a waiting VM has affinity: a reservation for another VM may then decide where it can go. */
  hasAffinityWaiters(): boolean {
    return this.#waiting.hasAffinity();
  }

  /** Returns the chassis whose ledgers have an entry of this VM, in order of id. */
  ledgersOf(vmId: string): readonly string[] {
    return this.#waiting.ledgersOf(vmId);
  }

  /** Returns true once the liveness of every registered chassis is known. */
  isLivenessKnown(): boolean {
    for (const [chassisId, { state }] of this.chassis.entries()) {
      if (!state.registered || state.lost !== null) continue;
      if (this.liveness.of(chassisId).state === "unknown") return false;
    }
    return true;
  }
}
