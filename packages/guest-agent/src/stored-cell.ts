/**
 * The cell as it is stored on the machine's disk: one JSON text with its digest.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { cellSpecSchema } from "./protocol.ts";

const FORMAT = "bioxen-cell-1";

const storedSchema = z.object({
  spec: cellSpecSchema,
  timeScale: z.number().positive(),
  paused: z.boolean(),
  /**
   * The texts of allocation and environment in xenstore that the cell has taken over. Only another text is a change, so
   * that a restart of the agent does not undo what the cell's program did.
   */
  applied: z.object({ allocation: z.string().optional(), environment: z.string().optional() }),
  simMinutes: z.int().min(0),
  checkpointBase64: z.base64(),
});
export type StoredCell = z.infer<typeof storedSchema>;

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** Encodes the cell: the first line has format and digest, the second one the content. */
export function encodeCell(cell: StoredCell): string {
  const content = JSON.stringify(cell);
  return `${FORMAT} ${digestOf(content)}\n${content}\n`;
}

/** Decodes a stored cell. Returns the problem as text if the file is damaged. */
export function decodeCell(text: string): StoredCell | string {
  const [head = "", content = "", rest] = text.split("\n");
  const [format, digest] = head.split(" ");
  if (format !== FORMAT) return `its format is not ${FORMAT}`;
  if (rest !== "" || digestOf(content) !== digest) return "its digest does not match";
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    return "it is not JSON";
  }
  const parsed = storedSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  return parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}
