/**
 * The placement policy that configuration names: a built-in one, or a package that exports `placementPolicy`.
 */
import { PLACEMENT_POLICIES } from "@bioxen/contracts";
import type { Logger } from "@bioxen/kernel";
import { builtInPolicy, containedPolicy, type PlacementPolicy, policyProblems } from "@bioxen/placement";
import { loadExtension } from "@bioxen/service-host";

/** A policy that fails at every chassis would fill the log: its failures are told once in this time, ms. */
const TROUBLE_INTERVAL_MS = 60_000;

/** Throws `ConfigError` that says why there is no such policy. */
export async function policyOf(named: string, logger: Logger): Promise<PlacementPolicy> {
  const builtIn = PLACEMENT_POLICIES.find((name) => name === named);
  if (builtIn !== undefined) return builtInPolicy(builtIn);
  const policy = await loadExtension<PlacementPolicy>(named, {
    variable: `BIOXEN_PLACEMENT_POLICY (built in are ${PLACEMENT_POLICIES.join(", ")})`,
    exported: "placementPolicy",
    check: policyProblems,
  });
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return containedPolicy(policy, (message, cause) => {
    if (performance.now() - toldAtMs < TROUBLE_INTERVAL_MS) return;
    toldAtMs = performance.now();
    logger.error({ err: cause }, message);
  });
}
