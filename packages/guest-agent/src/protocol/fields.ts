/** Fields that several messages have, and how a message names its problems. */
import { ID_PATTERN } from "@bioxen/kernel";
import * as z from "zod";

export const count = z.int().min(0);
export const positive = z.int().min(1);
export const vmId = z.string().regex(ID_PATTERN, "is not an id of a VM");
export const amounts = z.record(z.string(), count);
export const environment = z.record(z.string(), z.number());
/** Simulated minutes per second. The driver of the cell sets the upper limit. */
export const timeScale = z.number().positive();

/** Returns one sentence per problem, each starting with the path of the field. */
export function problemsOf(error: z.ZodError | undefined): string[] {
  return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`.replace(/^: /, ""));
}
