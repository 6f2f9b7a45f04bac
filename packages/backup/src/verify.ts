/**
 * Checks a backup: every file has its digest, every message can be read, the log has no gap that the original did not
 * have, and every guest state that the log refers to is there with its digest.
 */
import { hash } from "node:crypto";
import { GUEST_STATE_STREAM } from "@bioxen/contracts";
import { messageOf as errorText, type StreamMessage } from "@bioxen/kernel";
import { digestOfFile, messagesOf } from "./compressed-file.ts";
import { BackupDirectory, BackupProblem } from "./directory.ts";
import { type LiveObjects, readLive } from "./live-objects.ts";
import { type BackupFile, filesOf, type Manifest, type MessagesFile, type StreamPart } from "./manifest.ts";
import { referencesOf, unresolved } from "./references.ts";
import type { StepListener } from "./steps.ts";

export interface Verification {
  readonly state: "valid" | "incomplete" | "damaged" | "absent";
  /** One sentence for each problem; empty for a valid backup. */
  readonly problems: readonly string[];
  /** Files in the directory that belong to no backup: those of an interrupted one. */
  readonly leftovers: readonly string[];
  /** Undefined when the manifest is absent or damaged. */
  readonly manifest: Manifest | undefined;
  readonly files: number;
  readonly bytes: number;
}

export async function verifyBackup(
  path: string,
  onStep: StepListener = () => undefined,
): Promise<Verification> {
  const directory = BackupDirectory.forReading(path);
  let manifest: Manifest;
  try {
    manifest = await directory.manifest();
  } catch (thrown) {
    if (!(thrown instanceof BackupProblem)) throw thrown;
    const { kind: state, message } = thrown;
    return { state, problems: [message], leftovers: [], manifest: undefined, files: 0, bytes: 0 };
  }
  const files = filesOf(manifest);
  const problems = await damagedFiles(directory, files, onStep);
  // A file with another digest is not read further: its messages are those of a damaged file.
  if (problems.length === 0) problems.push(...(await contradictions(directory, manifest, onStep)));
  return {
    state: problems.length === 0 ? "valid" : "damaged",
    problems,
    leftovers: await directory.leftovers(manifest),
    manifest,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

async function damagedFiles(
  directory: BackupDirectory,
  files: readonly BackupFile[],
  onStep: StepListener,
): Promise<string[]> {
  const problems: string[] = [];
  for (const [i, file] of files.entries()) {
    onStep({ what: "digests", done: i, of: files.length });
    try {
      const { sha256, bytes } = await digestOfFile(directory, file);
      if (bytes !== file.bytes) problems.push(`${file.path} has ${bytes} bytes instead of ${file.bytes}`);
      else if (sha256 !== file.sha256) problems.push(`${file.path}: its bytes have changed`);
    } catch (cause) {
      problems.push(`${file.path} cannot be read: ${errorText(cause)}`);
    }
  }
  return problems;
}

async function contradictions(
  directory: BackupDirectory,
  manifest: Manifest,
  onStep: StepListener,
): Promise<string[]> {
  const problems: string[] = [];
  for (const part of manifest.streams) {
    try {
      for (const file of part.files) await checkOrder(directory, file, part, onStep);
      if (part.live !== undefined) problems.push(...(await lostObjects(directory, part)));
      if (part.kind === "log" && part.readTo !== manifest.log.seq) {
        problems.push(`the log ends at ${part.readTo} instead of ${manifest.log.seq}`);
      }
    } catch (cause) {
      problems.push(`${part.name}: ${errorText(cause)}`);
    }
  }
  if (problems.length > 0) return problems;
  onStep({ what: "guest states", done: 0 });
  const missing = unresolved(
    await referencesOf(() => logOf(directory, manifest)),
    await objectsOf(directory, manifest, GUEST_STATE_STREAM),
  );
  return missing.map(
    ({ subject }) => `the guest state ${subject}, to which the log refers, is not in the backup`,
  );
}

async function checkOrder(
  directory: BackupDirectory,
  file: MessagesFile,
  { name }: StreamPart,
  onStep: StepListener,
): Promise<void> {
  let count = 0;
  let last = 0;
  for await (const { seq } of messagesOf(directory, file)) {
    if (seq <= last) throw new Error(`${file.path}: message ${seq} is after ${last}`);
    last = seq;
    count += 1;
    onStep({ what: name, done: count, of: file.messages });
  }
  if (count !== file.messages || last !== file.lastSeq) {
    throw new Error(
      `${file.path} has ${count} messages up to ${last}, not ${file.messages} up to ${file.lastSeq}`,
    );
  }
}

async function lostObjects(directory: BackupDirectory, part: StreamPart): Promise<string[]> {
  const objects = await objectsOfPart(directory, part);
  const found = new Set<string>();
  for await (const { seq, subject, data } of allMessages(directory, part)) {
    const object = objects.get(subject);
    if (object?.seq === seq && object.sha256 === hash("sha256", data, "hex")) found.add(subject);
  }
  return [...objects.keys()]
    .filter((subject) => !found.has(subject))
    .map((subject) => `${part.name}: ${subject} is not in the backup`);
}

/** Returns the messages of a stream that belong to the backup. */
export async function* messagesOfPart(
  directory: BackupDirectory,
  part: StreamPart,
): AsyncIterable<StreamMessage> {
  if (part.live === undefined) return yield* allMessages(directory, part);
  const objects = await objectsOfPart(directory, part);
  for await (const message of allMessages(directory, part)) {
    if (objects.get(message.subject)?.seq === message.seq) yield message;
  }
}

async function* allMessages(directory: BackupDirectory, { files }: StreamPart): AsyncIterable<StreamMessage> {
  for (const file of files) yield* messagesOf(directory, file);
}

function objectsOfPart(directory: BackupDirectory, { live }: StreamPart): Promise<LiveObjects> {
  return live === undefined ? Promise.resolve(new Map()) : readLive(directory, live);
}

async function objectsOf(
  directory: BackupDirectory,
  { streams }: Manifest,
  stream: string,
): Promise<LiveObjects> {
  const part = streams.find(({ name }) => name === stream);
  return part === undefined ? new Map() : objectsOfPart(directory, part);
}

async function* logOf(directory: BackupDirectory, { streams }: Manifest): AsyncIterable<StreamMessage> {
  for (const part of streams) if (part.kind === "log") yield* allMessages(directory, part);
}
