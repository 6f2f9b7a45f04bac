/**
 * The checkpoint of a scripted guest: its clock and its counter of instructions, which is all there is.
 */
import { type GuestSpec, MAX_CHECKPOINT_BYTES } from "./driver.ts";
import { DriverError } from "./driver-error.ts";

export interface ScriptedCheckpoint {
  /** The biological type of the guest. */
  readonly scripted: string;
  readonly simMinutes: number;
  readonly instructions: number;
}

export function scriptedCheckpoint(kept: ScriptedCheckpoint): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(kept));
}

/** Where a guest of this spec begins. Throws `BAD_REQUEST` or `TOO_LARGE`, as every driver must. */
export function beginningOf(spec: GuestSpec): Pick<ScriptedCheckpoint, "simMinutes" | "instructions"> {
  const { checkpoint, biologicalType } = spec;
  if (checkpoint === undefined) return { simMinutes: 0, instructions: 0 };
  const { length } = checkpoint;
  if (length > MAX_CHECKPOINT_BYTES) throw new DriverError("TOO_LARGE", `a checkpoint of ${length} bytes`);
  let kept: Partial<ScriptedCheckpoint> | null;
  try {
    kept = JSON.parse(new TextDecoder().decode(checkpoint)) as Partial<ScriptedCheckpoint> | null;
  } catch (cause) {
    throw new DriverError("BAD_REQUEST", "the checkpoint is not JSON", { cause });
  }
  const { scripted, simMinutes, instructions } = kept ?? {};
  if (scripted !== biologicalType || typeof simMinutes !== "number" || typeof instructions !== "number") {
    throw new DriverError("BAD_REQUEST", `the checkpoint is of no ${biologicalType}`);
  }
  return { simMinutes, instructions };
}
