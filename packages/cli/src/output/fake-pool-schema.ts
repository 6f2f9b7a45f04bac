/**
 * The `--json` output of `bioxen fake-xapi`.
 */
import * as z from "zod";

export const fakePool = z.object({
  url: z.string(),
  fingerprint: z.string(),
  username: z.string(),
  password: z.string().optional().meta({ description: "absent with --secrets" }),
  /** SSH login to the guests of the fake pool. Their host keys are in the VM records of the pool. */
  guests: z.object({ username: z.string(), password: z.string(), port: z.int() }).optional(),
});
