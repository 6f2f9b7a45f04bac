/**
 * The feasibility rule: whether a chassis can host a VM, given the free amounts of the chassis.
 *
 * Lifecycle applies the rule to the whole offer, to detect an infeasible VM. The scheduler applies the rule to the free
 * amounts when it proposes a placement, and the allocator does so again when it appends the reservation. All three
 * share one rule: if scheduler and allocator disagreed, they would propose and refuse forever. The choice among
 * feasible chassis (best fit, spread) is not part of the rule.
 */
import { type Amounts, fits, shortages } from "@bioxen/kernel";
import type { Chassis } from "./fold/chassis.ts";
import { freeAmounts, type Ledger } from "./fold/ledger.ts";
import type { Vm } from "./fold/vm-state.ts";
import { hostMisfit, hostNeeds } from "./host-fit.ts";
import type { Misfit } from "./misfit.ts";
import { hasModelOf, otherModelOf } from "./models.ts";
import { misfitAmong, type Neighbour, type Neighbours } from "./neighbours.ts";
import { isPool, offeredOf } from "./resources.ts";
import type { PlacementTerm, Taint, Toleration } from "./schemas.ts";

export interface Room {
  readonly free: Amounts;
  /** Number of further VMs that the chassis can take. */
  readonly placesLeft: number;
}

/** Returns the room of an empty chassis. */
export function emptyRoom(chassis: Chassis): Room {
  return {
    free: offeredOf(chassis),
    placesLeft: chassis.maxVms,
  };
}

/** Returns the free room of a chassis, from its ledger. */
export function roomOf(ledger: Ledger): Room {
  return {
    free: freeAmounts(ledger),
    placesLeft: Math.max(0, ledger.maxVms - Object.keys(ledger.entries).length),
  };
}

/**
 * Returns why `room` cannot hold `request`; undefined when it can. `resource` is the resource with the largest
 * shortage.
 */
export function roomFor(request: Amounts, room: Room): Misfit | undefined {
  if (room.placesLeft < 1) {
    return {
      code: "CAPACITY_EXCEEDED",
      message: "all of its places for VMs are taken",
      resource: "maxVms",
      requested: 1,
      free: 0,
    };
  }
  if (fits(request, room.free)) return undefined;
  const short = shortages(request, room.free);
  const worst = short.reduce((a, b) => (b.requested - b.free > a.requested - a.free ? b : a));
  const all = short.map((s) => `${s.resource} ${s.requested} asked, ${s.free} free`).join(", ");
  return { code: "CAPACITY_EXCEEDED", message: `not enough room: ${all}`, ...worst };
}

/** The properties of a VM that decide which chassis can host it. */
export type PlacementNeeds = Pick<Vm, "vmType" | "placement"> & {
  /** The VM's config, which names its cell model; absent: the built-in one. */
  readonly config?: Vm["config"] | undefined;
};

/** Returns why this chassis could not host the VM even if the chassis were empty; undefined when it could. */
export function mismatchOf(vm: PlacementNeeds, chassisId: string, chassis: Chassis): Misfit | undefined {
  if ((vm.vmType === "xcpng") !== isPool(chassis.chassisType, chassis.capacity)) {
    return { code: "UNSUPPORTED", message: `runs no VMs of type ${vm.vmType}` };
  }
  if (!hasModelOf(chassis, vm.config)) {
    return { code: "MODEL_NOT_FOUND", message: `its agent has no cell model ${otherModelOf(vm.config)}` };
  }
  const wanted = vm.placement as {
    chassisId?: string;
    chassisTypes?: readonly string[];
    chassisLabels?: Readonly<Record<string, string>>;
  };
  if (wanted.chassisId !== undefined && wanted.chassisId !== chassisId) {
    return { code: "UNSUPPORTED", message: `the VM asks for chassis ${wanted.chassisId}` };
  }
  if (wanted.chassisTypes !== undefined && !wanted.chassisTypes.includes(chassis.chassisType)) {
    return {
      code: "UNSUPPORTED",
      message: `the VM asks for chassis of type ${wanted.chassisTypes.join(" or ")}`,
    };
  }
  const missing = Object.entries(wanted.chassisLabels ?? {}).filter(
    ([name, value]) => chassis.labels[name] !== value,
  );
  if (missing.length > 0) {
    const words = missing.map(([name, value]) => `${name}=${value}`).join(", ");
    return { code: "UNSUPPORTED", message: `the VM asks for a chassis labelled ${words}` };
  }
  const [against] = untolerated(vm, chassis, "NoSchedule");
  if (against !== undefined) {
    return { code: "UNSUPPORTED", message: `the VM does not tolerate its taint ${taintWords(against)}` };
  }
  return undefined;
}

/** Returns the taints of the chassis that have this effect and that the VM does not tolerate. */
export function untolerated(
  { placement }: Pick<PlacementNeeds, "placement">,
  { taints = [] }: Pick<Chassis, "taints">,
  effect: Taint["effect"],
): readonly Taint[] {
  if (taints.length === 0) return taints;
  const { tolerations = [] } = placement as { tolerations?: readonly Toleration[] };
  return taints.filter(
    (one) =>
      one.effect === effect &&
      !tolerations.some(
        (t) =>
          t.key === one.key &&
          (t.value === undefined || t.value === one.value) &&
          (t.effect === undefined || t.effect === one.effect),
      ),
  );
}

function taintWords({ key, value, effect }: Taint): string {
  return `${key}${value === undefined ? "" : `=${value}`}:${effect}`;
}

/** Applies the whole feasibility rule. Returns why the chassis cannot host the VM now; undefined when it can. */
export function misfitOf(
  vm: Neighbour &
    PlacementNeeds & {
      readonly request: Amounts;
    },
  site: {
    readonly chassisId: string;
    readonly chassis: Chassis;
    readonly room: Room;
    readonly neighbours: Neighbours;
  },
  hasPlacedMatch: (term: PlacementTerm) => boolean,
): Misfit | undefined {
  return (
    mismatchOf(vm, site.chassisId, site.chassis) ??
    hostMisfit(site.chassis.hosts, hostNeeds(vm.request, vm.config), "in all") ??
    roomFor(vm.request, site.room) ??
    misfitAmong(vm, site.neighbours, hasPlacedMatch)
  );
}
