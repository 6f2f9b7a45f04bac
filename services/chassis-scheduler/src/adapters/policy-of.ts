/**
 * Loads the placement policy that the configuration names: a built-in one, or a package that exports `placementPolicy`.
 */
import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import type { Logger } from "@bioxen/kernel";
import { builtInPolicy, containedPolicy, type PlacementPolicy, policyProblems } from "@bioxen/placement";
import { loadExtension } from "@bioxen/service-host";

/**
 * Shortest time between two log lines about failures of a policy, ms. A policy that fails on every chassis would flood
 * the service's log.
 */
const FAILURE_LOG_INTERVAL_MS = 60_000;

/**
 * Returns the policy of this name. Throws `ConfigError` with every problem when the package is missing or exports no
 * valid policy.
 */
export async function policyOf(named: string, logger: Logger): Promise<PlacementPolicy> {
  const builtIn = PLACEMENT_POLICIES.find((name) => name === named);
  if (builtIn !== undefined) return builtInPolicy(builtIn);
  const policy = await loadExtension<PlacementPolicy>(named, {
    variable: `BIOXEN_PLACEMENT_POLICY (built in are ${PLACEMENT_POLICIES.join(", ")})`,
    exported: "placementPolicy",
    check: policyProblems,
  });
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  return containedPolicy(policy, (message, cause) => {
    if (performance.now() - loggedAtMs < FAILURE_LOG_INTERVAL_MS) return;
    loggedAtMs = performance.now();
    logger.error({ err: cause }, message);
  });
}
