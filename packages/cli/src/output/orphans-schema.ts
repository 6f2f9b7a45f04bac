/**
 * The `--json` output of `bioxen pool orphans`.
 */
import { orphanView } from "@bioxen/contracts";
import * as z from "zod";
import { errorOutput } from "./error-schema.ts";

export const orphansOutput = z.object({
  /** False when the agent of a pool did not answer; `unanswered` then names the pool. */
  ok: z.boolean(),
  /** Number of orphans in the pools that answered. */
  total: z.int().min(0),
  orphans: z.array(orphanView.extend({ chassisId: z.string() })),
  unanswered: z.array(errorOutput.omit({ ok: true }).extend({ chassisId: z.string() })),
});
