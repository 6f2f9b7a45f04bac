/**
 * A policy somebody else wrote: what it is asked, checked once, and then called so that its failure is its own.
 *
 * A chassis it cannot score (it throws, or answers no integer from 0 to {@link FULL_SCORE}) gets 0 and is the last to be taken; who fits
 * where was decided before, by the feasibility rule. So a broken policy places worse, and never wrongly or not at all. What it cannot be
 * kept from is time: it runs in the plan, and one that never answers holds the scheduler up.
 */
import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import { type Fit, FULL_SCORE, type PlacementPolicy } from "./policy.ts";

/** What is wrong with a value that should be a policy; empty: nothing. */
export function policyProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const { name, version, score, bound } = value as Partial<PlacementPolicy>;
  const problems: string[] = [];
  if (typeof name !== "string" || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) {
    problems.push("name: is not of a-z, 0-9 and '-', 63 characters at most");
  } else if ((PLACEMENT_POLICIES as readonly string[]).includes(name)) {
    problems.push(`name: ${name} is a built-in policy's`);
  }
  if (!(Number.isSafeInteger(version) && (version as number) >= 1)) {
    problems.push("version: is not an integer of 1 or more");
  }
  if (typeof score !== "function") problems.push("score: is not a function");
  if (bound !== undefined && typeof bound !== "function") problems.push("bound: is not a function");
  return problems;
}

/** The same policy, that always scores. `onTrouble` hears of every failure. */
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
    // A bound that is too high costs a look, one that is too low the best chassis.
    ...(bound === undefined
      ? {}
      : {
          bound: (least: number, most: number) =>
            checked(`bound(${least}, ${most})`, FULL_SCORE, () => bound.call(policy, least, most)),
        }),
  };
}
