/**
 * The schema of `bioxen support-bundle`.
 */
import * as z from "zod";

const count = z.int().min(0);

const name = z.string().meta({ description: "path in the bundle" });

export const supportBundle = {
  file: z.string().meta({ description: "path of the ZIP file" }),
  bytes: count.meta({ description: "size of the ZIP file, bytes" }),
  files: z.array(z.strictObject({ name, bytes: count })),
  leftOut: z
    .array(z.strictObject({ name, why: z.string() }))
    .meta({ description: "what could not be read, and why" }),
};
