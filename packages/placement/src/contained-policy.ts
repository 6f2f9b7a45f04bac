/**
 * The container of a policy from a third party: it checks the policy's shape once, and contains its failures at each
 * call.
 *
 * A chassis that the policy cannot score (it throws, or does not return an integer from 0 to {@link FULL_SCORE}) gets
 * the score 0 and is chosen last. The policy chooses only among chassis that can hold the VM by the feasibility rule.
 * So a broken policy makes worse placements, but never wrong ones. The container does not limit time: a policy that
 * never returns blocks the scheduler.
 */
import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import { type Fit, FULL_SCORE, type PlacementPolicy } from "./policy.ts";

/** Returns the problems of a value that should be a policy, as "field: problem"; an empty list for a valid policy. */
export function policyProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return ["must be an object"];
  const { name, version, score, bound } = value as Partial<PlacementPolicy>;
  const problems: string[] = [];
  if (typeof name !== "string" || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
    problems.push("name: must be 1 to 63 characters of a-z, 0-9 and '-', and must not start with '-'");
  } else if ((PLACEMENT_POLICIES as readonly string[]).includes(name)) {
    problems.push(`name: ${name} is the name of a built-in policy`);
  }
  if (!(Number.isSafeInteger(version) && (version as number) >= 1)) {
    problems.push("version: must be an integer of at least 1");
  }
  if (typeof score !== "function") problems.push("score: must be a function");
  if (bound !== undefined && typeof bound !== "function") problems.push("bound: must be a function");
  return problems;
}

/**
 * Returns the same policy with contained failures: `score` always returns a valid score. Calls `onTrouble` with each
 * failure.
 */
export function containedPolicy(
  policy: PlacementPolicy,
  onTrouble: (message: string, cause?: unknown) => void,
): PlacementPolicy {
  const named = `policy ${policy.name} ${policy.version}`;
  const checked = (what: string, otherwise: number, answer: () => number): number => {
    try {
      const score = answer();
      if (Number.isInteger(score) && score >= 0 && score <= FULL_SCORE) return score;
      onTrouble(`${named} answered ${score} to ${what}: not an integer from 0 to ${FULL_SCORE}`);
    } catch (thrown) {
      onTrouble(`${named} failed on ${what}`, thrown);
    }
    return otherwise;
  };
  const { bound } = policy;
  return {
    name: policy.name,
    version: policy.version,
    score: (fit: Fit) => checked(`${fit.vm.vmId} on ${fit.chassis.chassisId}`, 0, () => policy.score(fit)),
    // If `bound` fails, the bound is the highest score. That costs time, but a bound that is too low would skip the
    // best chassis.
    ...(bound === undefined
      ? {}
      : {
          bound: (least: number, most: number) =>
            checked(`bound(${least}, ${most})`, FULL_SCORE, () => bound.call(policy, least, most)),
        }),
  };
}
