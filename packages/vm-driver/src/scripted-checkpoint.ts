/**
 * The checkpoint of a scripted guest: its clock and its instruction counter, which are its whole state.
 */
import type { GuestSpec } from "./driver.ts";
import { DriverError } from "./driver-error.ts";
import { MAX_CHECKPOINT_BYTES } from "./guest-checkpoint.ts";

export interface ScriptedCheckpoint {
  /** The biological type of the guest. */
  readonly scripted: string;
  readonly simMinutes: number;
  readonly instructions: number;
}

export function scriptedCheckpoint(kept: ScriptedCheckpoint): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(kept));
}

/** Returns the initial state of a guest with this spec. Throws `BAD_REQUEST` or `TOO_LARGE`, as every driver must. */
export function beginningOf(spec: GuestSpec): Pick<ScriptedCheckpoint, "simMinutes" | "instructions"> {
  const { checkpoint, biologicalType } = spec;
  if (checkpoint === undefined) return { simMinutes: 0, instructions: 0 };
  const { length } = checkpoint;
  if (length > MAX_CHECKPOINT_BYTES)
    throw new DriverError(
      "TOO_LARGE",
      `the checkpoint has ${length} bytes, more than ${MAX_CHECKPOINT_BYTES}`,
    );
  let kept: Partial<ScriptedCheckpoint> | null;
  try {
    kept = JSON.parse(new TextDecoder().decode(checkpoint)) as Partial<ScriptedCheckpoint> | null;
  } catch (cause) {
    throw new DriverError("BAD_REQUEST", "the checkpoint is not JSON", { cause });
  }
  const { scripted, simMinutes, instructions } = kept ?? {};
  if (scripted !== biologicalType || typeof simMinutes !== "number" || typeof instructions !== "number") {
    throw new DriverError("BAD_REQUEST", `the checkpoint is not of type ${biologicalType}`);
  }
  return { simMinutes, instructions };
}
