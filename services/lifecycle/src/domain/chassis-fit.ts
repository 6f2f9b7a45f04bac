/** Checks whether a registered chassis could hold a VM if the chassis were empty. */
import {
  type Chassis,
  type ChassisState,
  emptyRoom,
  hostMisfit,
  hostNeeds,
  mismatchOf,
  type PlacementRefusal,
  roomFor,
  type Vm,
} from "@bioxen/contracts";

type Named<State> = readonly [chassisId: string, state: State];

export function registeredOf(chassis: Iterable<Named<ChassisState>>): Named<Chassis>[] {
  return [...chassis].filter((entry): entry is [string, Chassis] => entry[1].registered);
}

/** Returns why this chassis could never hold the VM, not even when empty; undefined when it could. */
export function neverFits(vm: Vm, [chassisId, chassis]: Named<Chassis>) {
  return (
    mismatchOf(vm, chassisId, chassis) ??
    hostMisfit(chassis.hosts, hostNeeds(vm.request, vm.config), "in all") ??
    roomFor(vm.request, emptyRoom(chassis))
  );
}

/** Returns why none of these chassis could ever hold the VM, one reason each; undefined when at least one could. */
export function neverFitsAny(
  vm: Vm,
  chassis: readonly Named<Chassis>[],
): readonly PlacementRefusal[] | undefined {
  const reasons: PlacementRefusal[] = [];
  for (const named of chassis) {
    const misfit = neverFits(vm, named);
    if (misfit === undefined) return undefined;
    reasons.push({ chassisId: named[0], ...misfit });
  }
  return reasons;
}

/**
 * Returns why a start of the VM can never succeed on the registered chassis; undefined when it can. Also returns
 * undefined when no chassis is registered, or when the VM's placement names a chassis that is not registered: an agent
 * may still register one.
 */
export function infeasibleStart(
  vm: Vm,
  chassis: readonly Named<Chassis>[],
): readonly PlacementRefusal[] | undefined {
  const wanted = vm.placement["chassisId"];
  if (chassis.length === 0) return undefined;
  if (typeof wanted === "string" && !chassis.some(([chassisId]) => chassisId === wanted)) return undefined;
  return neverFitsAny(vm, chassis);
}
