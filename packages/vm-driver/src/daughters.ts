/**
 * The part of the driver port about cells whose divisions make two guests (`config.lineage: "both"`).
 *
 * The cell stays at the minute of its division until its second daughter is taken: the agent stores the daughter's state,
 * lifecycle records a VM for it, and only then the mother goes on. So no daughter is lost or made twice when a process dies
 * in between: a mother that goes on from an earlier state divides again, into the same two cells.
 */
import type { GuestCheckpoint } from "./guest-checkpoint.ts";

/** The second daughter of a cell's division. */
export interface Daughter {
  /** The number of the division in the life of the mother: 1, 2, 3 … */
  readonly division: number;
  /** The state from which the guest of the daughter continues; it has not divided yet. */
  readonly checkpoint: GuestCheckpoint;
}

export interface DividingCells {
  /**
   * Returns the oldest daughter that was not taken yet; undefined if there is none. The daughter has what the program of the
   * mother keeps at the minute of the division, after the hooks of this minute. Absent if guests never divide into two.
   *
   * Rejects with the errors of `snapshot`.
   */
  readonly daughter?: ((vmId: string, fence: number) => Promise<Daughter | undefined>) | undefined;

  /**
   * Lets the mother go on after its daughter of this division. Ignored if that daughter was taken before. Rejects with the
   * errors of `pause`. Present with `daughter`.
   */
  readonly daughterTaken?: ((vmId: string, fence: number, division: number) => Promise<void>) | undefined;
}
