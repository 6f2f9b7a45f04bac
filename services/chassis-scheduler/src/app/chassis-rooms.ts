/**
 * The supply: one `ChassisRoom` per chassis. A room has the free resources, the VMs with an entry in the ledger, and
 * the reason if the chassis takes no VMs now.
 *
 * A room is recomputed only after an event of its chassis, ledger or drain, and after the transfer of a VM there. The
 * liveness of a chassis changes without an event, so it is read each time `all` is called.
 */
import {
  type Chassis,
  type ChassisState,
  type DrainState,
  hostNeeds,
  type Ledger,
  type Misfit,
  type Neighbour,
  Neighbours,
  roomOf,
  type VmState,
  withoutRoomFor,
} from "@bioxen/contracts";
import type { Aggregates, ReadModel } from "@bioxen/kernel";
import type { ChassisRoom } from "@bioxen/placement";
import { isDraining } from "../domain/drain.ts";
import type { ChassisLiveness } from "./liveness.ts";

export interface RoomFolds {
  readonly chassis: Aggregates<ChassisState>;
  readonly drains: Aggregates<DrainState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly vms: ReadModel<VmState>;
}

export class ChassisRooms {
  readonly #folds: RoomFolds;
  readonly #liveness: ChassisLiveness;
  readonly #rooms = new Map<string, ChassisRoom>();
  /** Chassis whose room must be recomputed. */
  readonly #stale = new Set<string>();
  /** Ids of all rooms, sorted; undefined when a room was added or removed after the last sort. */
  #order: readonly string[] | undefined;

  constructor(folds: RoomFolds, liveness: ChassisLiveness) {
    this.#folds = folds;
    this.#liveness = liveness;
  }

  /** Marks every room for computation. Call it once the folds have caught up with the log. */
  begin(): void {
    for (const chassisId of this.#folds.chassis.ids()) this.#stale.add(chassisId);
  }

  /** Marks the room for recomputation. Call it after each event that changes the room. */
  note(chassisId: string): void {
    this.#stale.add(chassisId);
  }

  /** Returns the rooms of all chassis that are registered and have an open ledger, in order of id. */
  all(): ChassisRoom[] {
    for (const chassisId of this.#stale) this.#recompute(chassisId);
    this.#stale.clear();
    this.#order ??= [...this.#rooms.keys()].sort();
    return this.#order.map((chassisId) => {
      const made = this.#withHosts(this.#rooms.get(chassisId) as ChassisRoom);
      const closed = this.#closed(chassisId, made.chassis);
      if (closed?.message === made.closed?.message) return made;
      const room = { ...made, closed };
      this.#rooms.set(chassisId, room);
      return room;
    });
  }

  /**
   * Adds the hosts of a pool. A VM that starts is not on a host yet, and one that has started after the last heartbeat
   * is not in that heartbeat: each of them counts as started on the host with the most free memory.
   */
  #withHosts(made: ChassisRoom): ChassisRoom {
    const { chassisId } = made;
    const told = this.#liveness.hostsOf(chassisId);
    if (told === undefined) return made;
    let { hosts } = told;
    for (const { vmId, fence, amounts } of Object.values(this.#folds.ledgers.get(chassisId).entries)) {
      const vm = this.#folds.vms.get(vmId);
      const isTold = this.#folds.vms.lastSeq(vmId) <= told.appliedSeq;
      const runs = vm.exists && vm.fence === fence && (vm.state === "running" || vm.state === "paused");
      const isUp = runs && isTold;
      if (!isUp && !(vm.exists && vm.state === "stopping")) {
        hosts = withoutRoomFor(hosts, vm.exists ? hostNeeds(amounts, vm.config) : amounts);
      }
    }
    return { ...made, hosts };
  }

  #recompute(chassisId: string): void {
    const chassis = this.#folds.chassis.get(chassisId).state;
    const ledger = this.#folds.ledgers.get(chassisId);
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

  #neighbour(vmId: string): Neighbour[] {
    const vm = this.#folds.vms.get(vmId);
    return vm.exists ? [{ vmId, labels: vm.labels, placement: vm.placement, owner: vm.owner }] : [];
  }

  /**
   * Returns why the chassis takes no VMs now. A silent chassis takes none, because its agent could not start a guest.
   */
  #closed(chassisId: string, chassis: Chassis): Misfit | undefined {
    const { chassis: registrations, ledgers, drains } = this.#folds;
    for (const sink of [ledgers, registrations, drains]) {
      const aside = sink.asideOf(chassisId);
      if (aside === undefined) continue;
      const { seq, streamSubject } = aside.first;
      return {
        code: "UNAVAILABLE",
        message: `is out of use: event ${seq} on ${streamSubject} cannot be read`,
      };
    }
    if (chassis.lost !== null) {
      return { code: "UNAVAILABLE", message: `is lost: its agent ${chassis.agentId} has not recovered` };
    }
    if (isDraining(this.#folds.drains.get(chassisId).state)) {
      return { code: "UNAVAILABLE", message: "is being drained" };
    }
    if (chassis.cordoned) return { code: "UNAVAILABLE", message: "is cordoned" };
    if (this.#liveness.of(chassisId).state === "ready") return undefined;
    return { code: "UNAVAILABLE", message: `receives no heartbeat from its agent ${chassis.agentId}` };
  }
}
