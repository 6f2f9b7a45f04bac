/**
 * The scheduler's picture of the cluster: VMs that wait, and what every chassis has left.
 *
 * Kept with the events: a plan pays for what changed since the last one, not for every VM and every entry there is. Before
 * `begin` it is empty.
 */
import {
  aggregateOf,
  type Chassis,
  type ChassisState,
  chassisFold,
  type DrainState,
  drainFold,
  endsWithAgent,
  isForMove,
  isForWaiting,
  type Ledger,
  LedgersOfVms,
  ledgerFold,
  type Misfit,
  type Neighbour,
  Neighbours,
  type Quota,
  type QuotaState,
  quotaFold,
  roomOf,
  type Vm,
  type VmState,
  vmFold,
  wants,
} from "@bioxen/contracts";
import { Aggregates, type EventFeed, ReadModel, type ServicePorts, type StoredEvent } from "@bioxen/kernel";
import { type ChassisRoom, type WaitingVm, waitingVm } from "@bioxen/placement";
import { type DrainPicture, isDraining } from "../domain/drain.ts";
import { ChassisLiveness } from "./liveness.ts";

export class Cluster {
  readonly chassis: Aggregates<ChassisState>;
  readonly drains: Aggregates<DrainState>;
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  readonly quotaStates = new ReadModel<QuotaState>("quota", quotaFold);
  readonly liveness: ChassisLiveness;
  readonly #ledgersOf = new LedgersOfVms();
  readonly #waiting = new Map<string, WaitingVm>();
  readonly #rooms = new Map<string, ChassisRoom>();
  /** Chassis whose room is to be made again. */
  readonly #stale = new Set<string>();
  /** Of all rooms, in order; undefined while it is to be made again. */
  #order: readonly string[] | undefined;
  #feed: EventFeed | undefined;

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    const { log, clock, ids } = ports;
    const source = "/bioxen/chassis-scheduler";
    this.chassis = new Aggregates({ kind: "chassis", fold: chassisFold, log, clock, ids, source });
    this.drains = new Aggregates({ kind: "drain", fold: drainFold, log, clock, ids, source });
    this.liveness = new ChassisLiveness(ports, monotonicMs, lostAfterMs);
  }

  /** Takes over what the folds hold, and follows them from then on. */
  begin(feed: EventFeed): void {
    this.#feed = feed;
    for (const chassisId of this.chassis.ids()) this.#stale.add(chassisId);
    for (const [chassisId, ledger] of this.ledgers.entries()) this.#ledgersOf.note(chassisId, ledger);
    for (const vmId of this.vms.ids()) this.#noteVm(vmId);
    feed.onEvent((event) => this.#note(event));
  }

  #note({ envelope }: StoredEvent): void {
    const { kind, id } = aggregateOf(envelope.subject);
    if (kind === "vm") this.#noteVm(id);
    if (kind === "chassis" || kind === "ledger" || kind === "drain") this.#stale.add(id);
    if (kind !== "ledger") return;
    for (const vmId of this.#ledgersOf.note(id, this.ledgers.get(id))) this.#noteVm(vmId);
  }

  #noteVm(vmId: string): void {
    const vm = this.vms.get(vmId);
    const isToMove = vm.exists && vm.migration?.target === null;
    if (vm.exists && (vm.state === "pending" || isToMove) && !this.#hasPlace(vmId, vm)) {
      this.#waiting.set(vmId, isToMove ? movingVm(vmId, vm) : waitingVm(vmId, vm));
    } else this.#waiting.delete(vmId);
  }

  #hasPlace(vmId: string, vm: Vm): boolean {
    return this.#ledgersOf.of(vmId).some((chassisId) => {
      const entry = this.ledgers.get(chassisId).entries[vmId];
      return entry !== undefined && (isForWaiting(vm, entry) || isForMove(vm, entry));
    });
  }

  registered(): [string, Chassis][] {
    const all = [...this.chassis.entries()].flatMap(([chassisId, { state }]): [string, Chassis][] =>
      state.registered ? [[chassisId, state]] : [],
    );
    return all.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Of every chassis with an open ledger, in order of id. */
  rooms(): ChassisRoom[] {
    for (const chassisId of this.#stale) this.#makeRoom(chassisId);
    this.#stale.clear();
    this.#order ??= [...this.#rooms.keys()].sort();
    return this.#order.map((chassisId) => {
      const made = this.#rooms.get(chassisId) as ChassisRoom;
      // Whether it is heard of changes without an event.
      const closed = this.#closed(chassisId, made.chassis);
      if (closed?.message === made.closed?.message) return made;
      const room = { ...made, closed };
      this.#rooms.set(chassisId, room);
      return room;
    });
  }

  #makeRoom(chassisId: string): void {
    const chassis = this.chassis.get(chassisId).state;
    const ledger = this.ledgers.get(chassisId);
    const isThere = chassis.registered && ledger.open;
    if (isThere !== this.#rooms.has(chassisId)) this.#order = undefined;
    if (!isThere) {
      this.#rooms.delete(chassisId);
      return;
    }
    const closed = this.#closed(chassisId, chassis);
    this.#rooms.set(chassisId, {
      chassisId,
      chassis,
      offered: ledger.offered,
      room: roomOf(ledger),
      neighbours: new Neighbours(Object.keys(ledger.entries).flatMap((vmId) => this.#neighbour(vmId))),
      closed,
    });
  }

  quotas(): Quota[] {
    return [...this.quotaStates.values()].flatMap((quota) => (quota.exists ? [quota] : []));
  }

  #neighbour(vmId: string): Neighbour[] {
    const vm = this.vms.get(vmId);
    return vm.exists ? [{ vmId, labels: vm.labels, placement: vm.placement }] : [];
  }

  /** Returns true when a waiting VM has affinity: a reservation for another VM may then decide where it can go. */
  hasAffinityWaiters(): boolean {
    return [...this.#waiting.values()].some((vm) => wants(vm).near.length > 0);
  }

  /** True once it is known of every chassis whether it is heard of. */
  isLivenessKnown(): boolean {
    for (const [chassisId, { state }] of this.chassis.entries()) {
      if (!state.registered || state.lost !== null) continue;
      if (this.liveness.of(chassisId).state === "unknown") return false;
    }
    return true;
  }

  /** A silent chassis takes nobody: its agent could not start a guest. */
  #closed(chassisId: string, chassis: Chassis): Misfit | undefined {
    if (chassis.lost !== null) {
      return { code: "UNAVAILABLE", message: `is lost: its agent ${chassis.agentId} has not recovered` };
    }
    if (isDraining(this.drains.get(chassisId).state)) {
      return { code: "UNAVAILABLE", message: "is being drained" };
    }
    if (chassis.cordoned) return { code: "UNAVAILABLE", message: "is cordoned" };
    if (this.liveness.of(chassisId).state === "ready") return undefined;
    return { code: "UNAVAILABLE", message: `its agent ${chassis.agentId} is not heard of` };
  }

  /** VMs that no ledger holds the place for yet that they want: who is pending, and who is to move. */
  waiting(): WaitingVm[] {
    return [...this.#waiting.values()];
  }

  /** Chassis whose ledgers hold an entry of this VM, in order of id. */
  ledgersOf(vmId: string): readonly string[] {
    return this.#ledgersOf.of(vmId);
  }

  /** How many VMs a loss of this chassis displaces that are still on it. */
  evacuating(chassisId: string): number {
    let count = 0;
    for (const vm of this.vms.values()) {
      if (vm.exists && vm.chassisId === chassisId && endsWithAgent(vm.vmType)) count += 1;
    }
    return count;
  }

  /** For a drain. Who says it lives there has an entry there, but for a moment: no other VM is looked at than those it knows. */
  drainPicture(chassisId: string): DrainPicture {
    const here = new Set(Object.keys(this.ledgers.get(chassisId).entries));
    const vm = (vmId: string) => this.vms.get(vmId);
    const drain = this.drains.get(chassisId).state;
    for (const vmId of drain.exists ? Object.keys(drain.vms) : []) {
      const one = vm(vmId);
      if (one.exists && one.chassisId === chassisId) here.add(vmId);
    }
    return { chassisId, here, vm };
  }

  /** Resolves once the picture has everything that this chassis' drain has. Rejects with `Fault` UNAVAILABLE when that takes too long. */
  async drainPictured(chassisId: string): Promise<void> {
    const { lastSeq } = await this.drains.refresh(chassisId);
    await this.#feed?.applied(lastSeq);
  }

  /**
   * False while the drain is known from the log and the VMs it names are not yet: those would seem to have left. The feed brings what
   * is missing.
   */
  isDrainPictured(chassisId: string): boolean {
    return this.#feed === undefined || this.#feed.appliedSeq >= this.drains.get(chassisId).lastSeq;
  }

  /** How many more VMs of each chassis that is being drained may be given a place elsewhere; of others any number. */
  moveSlots(): Map<string, number> {
    const slots = new Map<string, number>();
    for (const [chassisId, { state }] of this.drains.entries()) {
      if (!isDraining(state)) continue;
      let underWay = 0;
      for (const vmId of Object.keys(this.ledgers.get(chassisId).entries)) {
        const vm = this.vms.get(vmId);
        if (!vm.exists || vm.chassisId !== chassisId || vm.migration === null) continue;
        if (vm.migration.target !== null || this.#hasPlace(vmId, vm)) underWay += 1;
      }
      slots.set(chassisId, Math.max(0, state.parallelism - underWay));
    }
    return slots;
  }

  /** VMs with an entry in this chassis' ledger, or that say they are on it. */
  heldBy(chassisId: string): string[] {
    const held = new Set(Object.keys(this.ledgers.get(chassisId).entries));
    for (const [vmId, vm] of this.vms.entries()) if (vm.exists && vm.chassisId === chassisId) held.add(vmId);
    return [...held].sort();
  }
}

/** A VM that runs and is to run elsewhere: on the chassis that was named, or on any but its own. */
function movingVm(vmId: string, vm: Vm): WaitingVm {
  const { migration, chassisId } = vm;
  const waiting = waitingVm(vmId, vm, migration?.requestedAtMs);
  const placement =
    migration?.toChassisId == null ? vm.placement : { ...vm.placement, chassisId: migration.toChassisId };
  const excludeChassisIds = chassisId === null ? [] : [chassisId];
  return { ...waiting, placement, excludeChassisIds, holds: vm.allocation ?? {} };
}
