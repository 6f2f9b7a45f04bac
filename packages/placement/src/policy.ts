/**
 * The policy is the preference among the chassis that can hold a VM. The feasibility rule (package contracts) decides
 * which chassis can hold the VM; a policy never overrules that rule.
 *
 * `bin-pack` fills the fullest chassis, which leaves large gaps for large cells. `spread` fills the emptiest chassis,
 * so that the loss of one chassis costs few VMs; large cells then find only small gaps.
 */
import { PLACEMENT_POLICIES, type PlacementPolicyName } from "@bioxen/contracts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";

/** The highest score; `bin-pack` gives it to an exact fit. Scores are integers from 0 to this number. */
export const FULL_SCORE = 1_000;

/**
 * A VM and a chassis that can hold it. All resources that any VM of the plan requests are numbered in order of name. A
 * VM may request 0 of a resource. The plan reuses one `Fit` object for all calls of a policy: read the object during
 * the call, and do not store it.
 */
export interface Fit {
  readonly resources: readonly string[];
  /** The amount that the VM requests. */
  asked(resource: number): number;
  /** The free amount on the chassis before the VM is placed there. */
  free(resource: number): number;
  /** The whole offer of the chassis, free or held. */
  offered(resource: number): number;
  readonly vm: WaitingVm;
  readonly chassis: ChassisRoom;
}

/**
 * How a chassis is chosen among those that can hold a VM. A policy must be pure: equal fits get equal scores, otherwise
 * plans are not reproducible.
 */
export interface PlacementPolicy {
  readonly name: string;
  /** Version of the scores, recorded in each decision. Increase it whenever the same fit gets another score. */
  readonly version: number;
  /** Integer 0…{@link FULL_SCORE}. The chassis with the highest score is chosen, among equal ones the first by id. */
  score(fit: Fit): number;
  /**
   * Returns the highest score of any fit for which {@link fullnessWith} is between `least` and `most`. With this
   * method, a plan of a large cluster skips chassis that cannot be the best. The bound must be monotonic in both
   * arguments, and the score must depend only on free, offered and requested amounts. Without this method, every VM is
   * scored on every chassis.
   */
  bound?(least: number, most: number): number;
}

/**
 * The fullness of the tightest resource after the VM is placed, in thousandths of the offer. Uses the tightest resource
 * and not the mean, because a chassis with free ATP but no free ribosomes is full.
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

/** The policy for VMs that name none, unless the scheduler is configured otherwise. */
export const DEFAULT_POLICY_NAME: PlacementPolicyName = "bin-pack";
export const DEFAULT_POLICY: PlacementPolicy = BUILT_IN[DEFAULT_POLICY_NAME];

export function builtInPolicy(name: PlacementPolicyName): PlacementPolicy {
  return BUILT_IN[name];
}

/** Returns the policy that the VM names, or else `fallback`, the policy of the scheduler. */
export function policyOf(
  placement: Readonly<Record<string, unknown>>,
  fallback: PlacementPolicy,
): PlacementPolicy {
  const own = PLACEMENT_POLICIES.find((name) => name === placement["policy"]);
  return own === undefined ? fallback : BUILT_IN[own];
}

/**
 * Returns the policy's score. Throws a RangeError that names the policy when the score is not an integer from 0 to
 * {@link FULL_SCORE}.
 */
export function checkedScore(policy: PlacementPolicy, fit: Fit): number {
  const score = policy.score(fit);
  if (score >= 0 && score <= FULL_SCORE && score === Math.floor(score)) return score;
  throw new RangeError(
    `policy ${policy.name} ${policy.version} returned the score ${score} ` +
      `for ${fit.vm.vmId} on ${fit.chassis.chassisId}: must be an integer from 0 to ${FULL_SCORE}`,
  );
}
