/**
 * The schemas of `bioxen replay`: outcomes of placements, and the summary under one policy.
 */
import * as z from "zod";

const amounts = z.record(z.string(), z.number());
const count = z.int().min(0);

export const placementOutcome = z.object({ chassisId: z.string().nullable(), waitMs: z.number() });
export const replaySummary = z.object({
  demands: count,
  placed: count,
  unplaced: count,
  totalWaitMs: z.number(),
  longestWaitMs: z.number(),
  evictions: count,
  refusedResizes: count,
  chassis: z.array(
    z.object({
      chassisId: z.string(),
      chassisType: z.string(),
      presentMs: z.number(),
      meanPermille: amounts,
      peakPermille: amounts,
      peakVms: count,
    }),
  ),
});

export const replayOutput = {
  fromSeq: z.int(),
  toSeq: z.int(),
  events: count,
  spanMs: z.number(),
  recorded: replaySummary,
  baseline: replaySummary,
  alternative: replaySummary,
  reproduction: z.object({
    demands: count,
    sameChassis: count,
    permille: z.int(),
    waitDifferenceMs: z.number(),
  }),
  differences: z.array(
    z.object({
      vmId: z.string(),
      askedSeq: z.int(),
      askedAtMs: z.int(),
      baseline: placementOutcome.nullable(),
      alternative: placementOutcome.nullable(),
    }),
  ),
};
