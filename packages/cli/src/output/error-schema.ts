/**
 * The `--json` output of a command that was refused or used wrongly.
 */
import * as z from "zod";

export const errorOutput = z.strictObject({
  ok: z.literal(false),
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});
