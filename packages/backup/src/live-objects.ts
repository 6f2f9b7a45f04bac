/**
 * The objects of a stream that belong to a backup: which message of its files is the content of each name.
 *
 * Guest states and courses are deleted while a backup is written. An object that the log refers to at sequence S is
 * deleted after S only, and was stored before S. It is therefore among the subjects that the stream had before S, or
 * was read after these subjects were listed. A backup has both, which is somewhat more than the log refers to;
 * `references.ts` compares it with the log.
 */

import { CompressedFile, contentOf } from "./compressed-file.ts";
import type { BackupDirectory } from "./directory.ts";
import type { BackupFile } from "./manifest.ts";
import { MalformedMessages } from "./message-codec.ts";

export interface LiveObject {
  readonly seq: number;
  /** SHA-256 of the content, hexadecimal. */
  readonly sha256: string;
}

/** Objects by subject. Memory: about 250 bytes for each. */
export type LiveObjects = Map<string, LiveObject>;

export async function writeLive(
  directory: BackupDirectory,
  path: string,
  objects: LiveObjects,
): Promise<BackupFile & { readonly messages: number }> {
  const file = await CompressedFile.create(directory, path);
  const ordered = [...objects].sort(([, one], [, other]) => one.seq - other.seq);
  for (const [subject, { seq, sha256 }] of ordered) {
    await file.write(Buffer.from(`${seq} ${sha256} ${subject}\n`));
  }
  return { ...(await file.end()), messages: objects.size };
}

const LINE = /^(\d{1,16}) ([0-9a-f]{64}) (\S+)$/;

export async function readLive(directory: BackupDirectory, file: BackupFile): Promise<LiveObjects> {
  const objects: LiveObjects = new Map();
  const take = (line: string) => {
    const [, seq, sha256, subject] = LINE.exec(line) ?? [];
    if (sha256 === undefined || subject === undefined)
      throw new MalformedMessages("a line of the list is malformed");
    objects.set(subject, { seq: Number(seq), sha256 });
  };
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of contentOf(directory, file)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
  if (rest !== "") throw new MalformedMessages("the list of objects is cut off");
  return objects;
}
