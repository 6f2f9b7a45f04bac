/**
 * An example placement policy. It fills each chassis to about three quarters before it uses the next, which leaves room
 * for resizes. When all chassis are fuller than that, it prefers the emptiest one.
 *
 * `BIOXEN_PLACEMENT_POLICY=@bioxen-examples/placement-policy` selects it in the scheduler. The scheduler asks a policy
 * only about feasible chassis. This policy has no `bound`, because its score is not monotonic: every chassis is scored.
 */
import { FULL_SCORE, fullnessWith, type PlacementPolicy } from "@bioxen/placement";

/** The policy fills a chassis until the use of its fullest resource reaches this share, permille. */
const COMFORTABLE = 750;

export const placementPolicy: PlacementPolicy = {
  name: "three-quarters",
  version: 1,
  score(fit) {
    const full = fullnessWith(fit);
    return full <= COMFORTABLE ? full + FULL_SCORE - COMFORTABLE : FULL_SCORE - full;
  },
};
