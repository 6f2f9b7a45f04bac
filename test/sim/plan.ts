/**
 * The plan of a run: the large faults that happen at most once, and whether VMs change their owners. The plan is drawn from a random source of its own, so
 * that the other choices of a run do not depend on it, and each large fault can be left out.
 */

import { type FloodPlan, floodInWords, floodPlan } from "./floods.ts";
import { type CutPlan, cutInWords, cutPlan } from "./log-cuts.ts";
import { type OwnersPlan, ownersInWords, ownersPlan } from "./owners.ts";
import { Universe } from "./universe.ts";

export const PLANNED_FAULTS = ["flood", "cut", "owners"] as const;
export type PlannedFault = (typeof PLANNED_FAULTS)[number];

export interface Plan {
  readonly flood?: FloodPlan | undefined;
  readonly cut?: CutPlan | undefined;
  readonly owners?: OwnersPlan | undefined;
}

/** The plan without any large fault. */
export const CALM_PLAN: Plan = {};

/** Returns the plan of a seed, without the faults in `without`. */
export function planOf(seed: number, without: readonly PlannedFault[] = []): Plan {
  const flood = floodPlan(new Universe(seed ^ 0x2545f491));
  const cut = cutPlan(new Universe(seed ^ 0x27d4eb2f));
  const owners = ownersPlan(new Universe(seed ^ 0x85ebca77));
  return {
    flood: without.includes("flood") ? undefined : flood,
    cut: without.includes("cut") ? undefined : cut,
    owners: without.includes("owners") ? undefined : owners,
  };
}

/** Describes the plan, one line for each large fault. */
export function planInWords({ flood, cut, owners }: Plan): string[] {
  return [
    ...(flood === undefined ? [] : [floodInWords(flood)]),
    ...(cut === undefined ? [] : [cutInWords(cut)]),
    ...(owners === undefined ? [] : [ownersInWords(owners)]),
  ];
}
