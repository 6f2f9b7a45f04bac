/**
 * The `--json` outputs of `bioxen experiment plan` and `run`.
 */
import { experimentView } from "@bioxen/contracts";
import * as z from "zod";

export const experimentPlan = {
  experiment: z.string(),
  /** SHA-256 of the canonical JSON of the file. */
  digest: z.string(),
  untilMinute: z.int(),
  rowsPerVm: z.int(),
  rowCount: z.int(),
  /** The swept fields in the order in which they are combined. */
  swept: z.array(z.string()),
  vms: z.array(
    z.object({
      vmId: z.string(),
      values: z.record(z.string(), z.json()),
      /** From 1. */
      replicate: z.int(),
      seed: z.int(),
    }),
  ),
};

export const experimentRun = {
  experiment: experimentView,
  /** The directory of the results; null without `--out`. */
  out: z.string().nullable(),
};
