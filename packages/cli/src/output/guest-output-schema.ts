/**
 * The schemas of what a guest says: its lines, and the answers of a console.
 */
import * as z from "zod";
import { errorOutput } from "./error-schema.ts";

export const guestLine = z.object({
  vmId: z.string(),
  chassisId: z.string().nullable(),
  atMs: z.int(),
  line: z.string(),
});

export const consoleOutput = z.union([
  z.object({ ok: z.literal(true), result: z.unknown(), stdout: z.string() }),
  errorOutput,
  z.object({ line: z.string() }),
]);
