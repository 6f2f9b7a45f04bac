/** The stored state of a guest. */

/**
 * Maximum size of a checkpoint, bytes. The checkpoint of a cell has about 1 KB, and up to about 500 KB with the largest
 * Lua state. Every guest is checkpointed once a minute.
 */
export const MAX_CHECKPOINT_BYTES = 786_432;

/** The state of a guest at one moment, in the driver's own format. */
export interface GuestCheckpoint {
  readonly bytes: Uint8Array;
  /** The guest's simulated time, whole minutes. */
  readonly simMinutes: number;
}
