/**
 * A placement policy of one's own: fill each chassis to about three quarters, so that what runs there can grow, and only then take the
 * next; above that, take the emptiest.
 *
 * `BIOXEN_PLACEMENT_POLICY=@bioxen-examples/placement-policy` makes it the scheduler's. Which chassis can hold a VM at all is not its
 * question: it is asked about those that can. It has no `bound`, because its score rises and falls: every chassis is looked at.
 */
import { FULL_SCORE, fullnessWith, type PlacementPolicy } from "@bioxen/placement";

/** Thousandths of the tightest resource. */
const COMFORTABLE = 750;

export const placementPolicy: PlacementPolicy = {
  name: "three-quarters",
  version: 1,
  score(fit) {
    const full = fullnessWith(fit);
    return full <= COMFORTABLE ? full + FULL_SCORE - COMFORTABLE : FULL_SCORE - full;
  },
};
