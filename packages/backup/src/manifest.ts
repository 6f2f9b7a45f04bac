/**
 * The manifest of a backup: which files belong to it, with their digests, and what it is a backup of. Pure.
 *
 * The text of a manifest is the only text that stands for its content: a manifest with any changed byte is found, also
 * where the byte is a space.
 */
import { hash } from "node:crypto";
import * as z from "zod";

export const FORMAT = 1;
export const MANIFEST_FILE = "manifest.json";

const fileSchema = z.object({
  /** Path in the directory of the backup, with `/`. */
  path: z.string().regex(/^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)?(?:\.[a-z0-9]+)*$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
});
export type BackupFile = z.infer<typeof fileSchema>;

const messagesFileSchema = fileSchema.extend({
  messages: z.int().min(0),
  firstSeq: z.int().min(0),
  lastSeq: z.int().min(0),
});
export type MessagesFile = z.infer<typeof messagesFileSchema>;

const partSchema = z.object({
  name: z.string(),
  kind: z.enum(["log", "objects", "records"]),
  /** Last sequence up to which the stream was read. */
  readTo: z.int().min(0),
  /** Files in ascending order of sequences. */
  files: z.array(messagesFileSchema),
  /** The file with the messages of `files` that belong to the backup; absent: all of them. */
  live: fileSchema.extend({ messages: z.int().min(0) }).optional(),
});
export type StreamPart = z.infer<typeof partSchema>;

const manifestSchema = z.object({
  format: z.literal(FORMAT),
  /** Version of BioXen that wrote the backup. */
  version: z.string(),
  createdAtMs: z.int(),
  /** Number of times that the backup was written: 1, and one more for each increment. */
  generation: z.int().min(1),
  log: z.object({ clusterId: z.string(), created: z.string(), seq: z.int().min(0) }),
  streams: z.array(partSchema),
  keys: fileSchema.optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Returns every file that belongs to the backup, beside the manifest. */
export function filesOf({ streams, keys }: Manifest): BackupFile[] {
  const parts = streams.flatMap(({ files, live }) => [...files, ...(live === undefined ? [] : [live])]);
  return keys === undefined ? parts : [...parts, keys];
}

export function manifestText(manifest: Manifest): string {
  const digest = hash("sha256", JSON.stringify(manifest), "hex");
  return `${JSON.stringify({ sha256: digest, manifest }, undefined, 1)}\n`;
}

/** Returns the manifest; as a text, the reason why it is none. */
export function parseManifest(text: string): Manifest | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  const { manifest } = (json ?? {}) as { manifest?: { format?: unknown } };
  if (typeof manifest?.format === "number" && manifest.format > FORMAT) {
    return `it was written by a newer BioXen (format ${manifest.format})`;
  }
  const parsed = manifestSchema.safeParse(manifest);
  if (!parsed.success) return z.prettifyError(parsed.error).replaceAll("\n", "; ");
  // The digest covers the content, and the comparison of the text everything else.
  return manifestText(parsed.data) === text ? parsed.data : "its digest does not match";
}
