/**
 * The input of a plan: the VMs that wait, and the room of every chassis. These are values; the scheduler or a replay
 * makes them from its view of the cluster.
 */
import type { Chassis, HostRoom, Misfit, Neighbours, Room, Vm } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

export interface WaitingVm {
  readonly vmId: string;
  readonly incarnation: number;
  readonly vmType: "basic" | "xcpng";
  readonly request: Amounts;
  /** The VM's config, of which `maxVcpus` decides about the hosts of a pool. Default: an empty one. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly placement: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The owner, whose quota applies; absent when it is unknown. */
  readonly owner?: string | undefined;
  readonly priority: number;
  readonly waitingSinceMs: number;
  /** The amounts that a moving VM holds on the chassis that it leaves. */
  readonly holds?: Amounts | undefined;
  /** Chassis on which the VM must not be placed: for a moving VM, the chassis that it leaves. */
  readonly excludeChassisIds?: readonly string[] | undefined;
  /** The chassis that refused to start the VM for lack of room; absent when none did, or when it has more room now. */
  readonly heldOff?: HeldOff | undefined;
}

/** A chassis whose host had no room for the VM, although the ledger has. */
export interface HeldOff {
  readonly chassisId: string;
  /** What the host answered, and when it is tried again. */
  readonly message: string;
  /** Until this time the VM is not placed there, epoch ms. */
  readonly untilMs: number;
}

export interface ChassisRoom {
  readonly chassisId: string;
  readonly chassis: Chassis;
  readonly offered: Amounts;
  readonly room: Room;
  /** The VMs that have a place on the chassis; absent when the chassis has no VMs. */
  readonly neighbours?: Neighbours | undefined;
  /** The hosts of a pool with the memory that is free now; absent for other chassis, and while it is unknown. */
  readonly hosts?: readonly HostRoom[] | undefined;
  /** Why the chassis takes no VMs at present (it is cordoned or silent); undefined when it takes VMs. */
  readonly closed?: Misfit | undefined;
}

/** Returns the fields of a VM on which a plan depends. */
export function waitingVm(
  vmId: string,
  vm: Vm,
  waitingSinceMs = vm.pendingSinceMs ?? vm.updatedAtMs,
): WaitingVm {
  const { incarnation, vmType, request, config, placement, labels, owner, priority } = vm;
  return { vmId, incarnation, vmType, request, config, placement, labels, owner, priority, waitingSinceMs };
}

/** Returns the chassis in order of id. A list that is already in order, like the scheduler's, is not copied. */
export function inOrderOfId(rooms: readonly ChassisRoom[]): readonly ChassisRoom[] {
  for (let i = 1; i < rooms.length; i += 1) {
    const before = rooms[i - 1]?.chassisId ?? "";
    if (before > (rooms[i]?.chassisId ?? "")) {
      return [...rooms].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1));
    }
  }
  return rooms;
}
