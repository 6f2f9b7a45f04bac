/**
 * Taste among the chassis that can hold a VM. What can is the feasibility rule's (contracts); taste never overrules it.
 *
 * `bin-pack` fills the fullest, so that large holes stay whole for large cells. `spread` takes the emptiest, so that the loss of one
 * chassis costs few VMs, at the price of large cells that find only small holes.
 */
import {
  bestFitScore,
  FULL_SCORE,
  PLACEMENT_POLICIES,
  type PlacementPolicy,
  type Room,
} from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";

/** What a VM gets that asks for none, unless the scheduler is configured otherwise. */
export const DEFAULT_POLICY: PlacementPolicy = "bin-pack";

/** Of the VM's own choice, else the scheduler's. */
export function policyOf(
  placement: Readonly<Record<string, unknown>>,
  otherwise: PlacementPolicy,
): PlacementPolicy {
  return PLACEMENT_POLICIES.find((policy) => policy === placement["policy"]) ?? otherwise;
}

/** Score of a room for a request that fits it: integer 0..1000, the highest is taken. */
export function scoreOf(policy: PlacementPolicy, request: Amounts, room: Room, offered: Amounts): number {
  const fullness = bestFitScore(request, room, offered);
  return policy === "spread" ? FULL_SCORE - fullness : fullness;
}
