/**
 * An example placement policy: it fills each chassis to about three quarters, which leaves room for resizes, before it uses the next.
 * Above that it prefers the emptiest chassis.
 *
 * `BIOXEN_PLACEMENT_POLICY=@bioxen-examples/placement-policy` selects it in the scheduler, which asks it only about feasible chassis. It
 * has no `bound`, because its score is not monotonic: every chassis is scored.
 */
import { FULL_SCORE, fullnessWith, type PlacementPolicy } from "@bioxen/placement";

/** The target fullness of the tightest resource, permille. */
const COMFORTABLE = 750;

export const placementPolicy: PlacementPolicy = {
  name: "three-quarters",
  version: 1,
  score(fit) {
    const full = fullnessWith(fit);
    return full <= COMFORTABLE ? full + FULL_SCORE - COMFORTABLE : FULL_SCORE - full;
  },
};
