/**
 * The check of a plan against one ledger: which of the proposed reservations it can hold together.
 *
 * The scheduler plans on a view that may be outdated. The ledger applies the same feasibility rule (contracts) to its
 * own state, so that an outdated plan wastes work but never overcommits capacity.
 */
import {
  type Chassis,
  hostMisfit,
  hostNeeds,
  type Ledger,
  type Misfit,
  misfitAmong,
  mismatchOf,
  type Neighbour,
  Neighbours,
  type PlacementNeeds,
  type PlacementTerm,
  roomFor,
  roomOf,
  type VmState,
} from "@bioxen/contracts";
import { type Amounts, amountOf } from "@bioxen/kernel";
import { demandMisfit, type ProposedReservation } from "./demand.ts";

/**
 * The states of the VMs and the affinity context of the chassis, as this instance knows them. Without `vmOf`, the
 * check ignores the states of VMs. Without `affinity`, it ignores whether the VM may run on this chassis.
 */
export interface ReservationFacts {
  readonly vmOf?: ((vmId: string) => VmState) | undefined;
  readonly affinity?: AffinityContext | undefined;
}

/** Context for affinity checks: the chassis, and the VMs that are already on it. */
export interface AffinityContext {
  readonly chassis: Chassis;
  /** Returns the VM's facts for affinity checks; undefined while this instance has not read the VM's events. */
  vm(vmId: string): (Neighbour & PlacementNeeds) | undefined;
  /** True when another VM matches the term of `vm` and has a place on any chassis. */
  hasPlacedMatch(term: PlacementTerm, vm: Neighbour): boolean;
}

export interface FitPartition {
  readonly fit: readonly ProposedReservation[];
  readonly refused: readonly { readonly vmId: string; readonly misfit: Misfit }[];
}

/**
 * Divides a plan's reservations into those that the ledger can hold together and the others, each with the reason.
 * Earlier reservations take precedence over later ones.
 */
export function partitionByFit(
  chassisId: string,
  ledger: Ledger,
  proposed: readonly ProposedReservation[],
  { vmOf, affinity }: ReservationFacts = {},
): FitPartition {
  const fit: ProposedReservation[] = [];
  const refused: { vmId: string; misfit: Misfit }[] = [];
  const taken = new Set(Object.keys(ledger.entries));
  let room = ledger.open ? roomOf(ledger) : { free: {}, placesLeft: 0 };
  let neighbours = new Neighbours([...taken].flatMap((vmId) => affinity?.vm(vmId) ?? []));
  for (const one of proposed) {
    const misfit = !ledger.open
      ? { code: "CHASSIS_NOT_FOUND", message: `the ledger of ${chassisId} is closed` }
      : taken.has(one.vmId)
        ? { code: "CONFLICT", message: `${one.vmId} already has a reservation on ${chassisId}` }
        : ((vmOf && demandMisfit(vmOf(one.vmId), one)) ??
          hostMisfit(affinity?.chassis.hosts, needsOf(one, vmOf), "in all") ??
          roomFor(one.amounts, room) ??
          affinityMisfit(chassisId, one, neighbours, affinity));
    if (misfit !== undefined) {
      refused.push({ vmId: one.vmId, misfit });
      continue;
    }
    taken.add(one.vmId);
    room = { free: minus(room.free, one.amounts), placesLeft: room.placesLeft - 1 };
    const joining = affinity?.vm(one.vmId);
    if (joining !== undefined) neighbours = neighbours.with(joining);
    fit.push(one);
  }
  return { fit, refused };
}

/** Returns what the machine of the VM needs of its host. */
function needsOf({ vmId, amounts }: ProposedReservation, vmOf: ReservationFacts["vmOf"]): Amounts {
  const vm = vmOf?.(vmId);
  return hostNeeds(amounts, vm?.exists === true ? vm.config : undefined);
}

/**
 * Returns why the VM may not run on this chassis next to these neighbours, however much room is free; undefined when it
 * may.
 */
function affinityMisfit(
  chassisId: string,
  { vmId }: ProposedReservation,
  neighbours: Neighbours,
  affinity: AffinityContext | undefined,
): Misfit | undefined {
  if (affinity === undefined) return undefined;
  const vm = affinity.vm(vmId);
  if (vm === undefined) {
    return { code: "CONFLICT", message: `the allocator has not read the events of ${vmId} yet` };
  }
  return (
    mismatchOf(vm, chassisId, affinity.chassis) ??
    misfitAmong(vm, neighbours, (term) => affinity.hasPlacedMatch(term, vm))
  );
}

function minus(free: Amounts, amounts: Amounts): Amounts {
  const left: Record<string, number> = { ...free };
  for (const [name, amount] of Object.entries(amounts)) left[name] = amountOf(free, name) - amount;
  return left;
}
