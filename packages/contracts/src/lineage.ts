/**
 * Second daughters: the VMs that cells with `config.lineage: "both"` make when they divide.
 *
 * A daughter is a VM of its own. Its id follows from its mother and the division, and its seed from theirs, so that a
 * lineage is the same in every run.
 */
import { id } from "./schemas.ts";

/**
 * Maximum number of VMs of one lineage that are not destroyed. The number of cells doubles with every generation, and each
 * waits for a place: a lineage without a limit would fill the fleet and the log. A mother goes on as one cell beyond it.
 */
export const MAX_LINEAGE_VMS = 1_000;

/** Returns the id of the second daughter of this division; undefined if it would be longer than ids may be. */
export function daughterIdOf(vmId: string, division: number): string | undefined {
  const daughterId = `${vmId}-${division}`;
  return id.safeParse(daughterId).success ? daughterId : undefined;
}
