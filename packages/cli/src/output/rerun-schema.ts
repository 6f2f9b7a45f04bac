/**
 * The schema of a rerun: how much agrees with what was recorded, and the first difference.
 */
import * as z from "zod";

const value = z.union([z.number(), z.string()]).nullable();

export const rerunOutput = z.object({
  ok: z.literal(true),
  /** Number of recorded rows that the computed cells have as well. */
  rows: z.int(),
  /** Number of stored states with the digest of a computed one. */
  states: z.int(),
  difference: z
    .object({ minute: z.int(), branch: z.int(), column: z.string(), recorded: value, computed: value })
    .nullable(),
});
