/**
 * Taste among the chassis that can hold a VM. What can is the feasibility rule's (contracts); taste never overrules it.
 *
 * `bin-pack` fills the fullest, so that large holes stay whole for large cells. `spread` takes the emptiest, so that the loss of one
 * chassis costs few VMs, at the price of large cells that find only small holes.
 */
import { PLACEMENT_POLICIES, type PlacementPolicyName } from "@bioxen/contracts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

/** The score of an exact fit: scores are integers from 0 to this. */
export const FULL_SCORE = 1_000;

/**
 * A VM and a room that holds it. Resources are numbered: all that anybody in the plan asks for, in order of name; most VMs ask 0 of
 * some. One object serves every question of a plan: read it, never keep it.
 */
export interface Fit {
  readonly resources: readonly string[];
  asked(resource: number): number;
  /** Before the VM is there. */
  free(resource: number): number;
  offered(resource: number): number;
  readonly vm: WaitingVm;
  readonly chassis: ChassisRoom;
}

/**
 * How a chassis is chosen among those that can hold a VM. Pure: equal fits have equal scores, or plans cannot be told again.
 */
export interface PlacementPolicy {
  readonly name: string;
  /** Counts up with every change of what it scores; recorded with each decision. */
  readonly version: number;
  /** Integer 0…{@link FULL_SCORE}; the highest is taken, the first in order of id among equals. */
  score(fit: Fit): number;
  /**
   * The most it can score where {@link fullnessWith} comes out from `least` to `most`. Lets a plan of a large cluster leave out chassis
   * that cannot be the best; must only rise, or only fall, with both, and equal numbers must score the same on every chassis. Absent:
   * every VM looks at every chassis.
   */
  bound?(least: number, most: number): number;
}

/**
 * How full the tightest resource becomes: 1000 leaves nothing of it. The tightest, not the mean: a chassis with ATP left
 * but no ribosomes is full.
 */
export function fullnessWith(fit: Fit): number {
  let tightest = 0;
  for (let r = 0; r < fit.resources.length; r += 1) {
    const asked = fit.asked(r);
    const offered = fit.offered(r);
    if (asked === 0 || offered === 0) continue;
    const full = ((offered - fit.free(r) + asked) * FULL_SCORE) / offered;
    if (full > tightest) tightest = full;
  }
  return Math.min(FULL_SCORE, Math.floor(tightest));
}

export const BIN_PACK: PlacementPolicy = {
  name: "bin-pack",
  version: 1,
  score: fullnessWith,
  bound: (_least, most) => most,
};

export const SPREAD: PlacementPolicy = {
  name: "spread",
  version: 1,
  score: (fit) => FULL_SCORE - fullnessWith(fit),
  bound: (least) => FULL_SCORE - least,
};

const BUILT_IN: Readonly<Record<PlacementPolicyName, PlacementPolicy>> = {
  "bin-pack": BIN_PACK,
  spread: SPREAD,
};

/** What a VM gets that asks for none, unless the scheduler is configured otherwise. */
export const DEFAULT_POLICY_NAME: PlacementPolicyName = "bin-pack";
export const DEFAULT_POLICY: PlacementPolicy = BUILT_IN[DEFAULT_POLICY_NAME];

export function builtInPolicy(name: PlacementPolicyName): PlacementPolicy {
  return BUILT_IN[name];
}

/** Of the VM's own choice, else the scheduler's. */
export function policyOf(
  placement: Readonly<Record<string, unknown>>,
  otherwise: PlacementPolicy,
): PlacementPolicy {
  const own = PLACEMENT_POLICIES.find((name) => name === placement["policy"]);
  return own === undefined ? otherwise : BUILT_IN[own];
}

/** The score, or an error that names the policy: what is no score would order chassis by accident. */
export function checkedScore(policy: PlacementPolicy, fit: Fit): number {
  const score = policy.score(fit);
  if (score >= 0 && score <= FULL_SCORE && score === Math.floor(score)) return score;
  throw new RangeError(
    `policy ${policy.name} ${policy.version} scored ${fit.chassis.chassisId} ${score} for ${fit.vm.vmId}: must be an integer from 0 to ${FULL_SCORE}`,
  );
}
