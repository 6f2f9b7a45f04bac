/**
 * The schema of plots: what is drawn, as data.
 */
import * as z from "zod";

const axis = z.object({ name: z.string(), unit: z.string() });
const point = z.object({
  x: z.number(),
  y: z.number().nullable(),
  band: z.tuple([z.number(), z.number()]).optional(),
});

export const plotOutput = z.object({
  ok: z.literal(true),
  x: axis,
  panels: z.array(
    z.object({ y: axis, series: z.array(z.object({ name: z.string(), points: z.array(point) })) }),
  ),
  marks: z.boolean().optional(),
  note: z.string().optional(),
});
