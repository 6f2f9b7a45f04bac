/**
 * What a plan is made of: who waits, and what every chassis has. Values, made by whoever keeps the picture.
 */
import type { Chassis, Misfit, Neighbours, Room, Vm } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

export interface WaitingVm {
  readonly vmId: string;
  readonly incarnation: number;
  readonly vmType: "basic" | "xcpng";
  readonly request: Amounts;
  readonly placement: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly waitingSinceMs: number;
  /** Of a VM that moves: what it holds where it leaves. */
  readonly holds?: Amounts | undefined;
  /** Chassis it must not go to whatever they have: the one it is to leave. */
  readonly excludeChassisIds?: readonly string[] | undefined;
}

export interface ChassisRoom {
  readonly chassisId: string;
  readonly chassis: Chassis;
  readonly offered: Amounts;
  readonly room: Room;
  /** The VMs that have a place there; absent: nobody. */
  readonly neighbours?: Neighbours | undefined;
  /** Why it takes nobody now (cordoned, silent); undefined when it does. */
  readonly closed?: Misfit | undefined;
}

/** A VM as the plan sees it. */
export function waitingVm(
  vmId: string,
  vm: Vm,
  waitingSinceMs = vm.pendingSinceMs ?? vm.updatedAtMs,
): WaitingVm {
  const { incarnation, vmType, request, placement, labels, priority } = vm;
  return { vmId, incarnation, vmType, request, placement, labels, priority, waitingSinceMs };
}

/** The same chassis in order of id. A list that is in order, as the scheduler keeps it, costs one look each. */
export function inOrderOfId(rooms: readonly ChassisRoom[]): readonly ChassisRoom[] {
  for (let i = 1; i < rooms.length; i += 1) {
    const before = rooms[i - 1]?.chassisId ?? "";
    if (before > (rooms[i]?.chassisId ?? "")) {
      return [...rooms].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1));
    }
  }
  return rooms;
}
