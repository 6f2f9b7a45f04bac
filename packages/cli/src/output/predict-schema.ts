/**
 * The `--json` output of `bioxen vm predict`.
 */
import * as z from "zod";

const prediction = z.strictObject({
  varied: z.record(z.string(), z.union([z.number(), z.string()])),
  allocation: z.record(z.string(), z.number()),
  environment: z.record(z.string(), z.number()),
  growthRatePerMinute: z.number(),
  doublingTimeMinutes: z.number().nullable(),
  relativeGrowthRate: z.number(),
  ribosomes: z.object({ total: z.number(), engaged: z.number() }),
  ribosomalMassFraction: z.number(),
  atpPerSecond: z.number(),
  proteinAminoAcids: z.number(),
  elongationPerSecond: z.number(),
  settled: z.boolean(),
});

export const predictOutput = {
  biologicalType: z.string(),
  parameterSet: z.string(),
  predictions: z.array(prediction),
};
