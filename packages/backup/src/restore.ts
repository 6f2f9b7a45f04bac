/**
 * Restores a backup to an empty server. The log is filled last, so that an interrupted restore leaves no log that a
 * service could start on; it is then read back and compared with the backup.
 */
import { createHash, type Hash } from "node:crypto";
import { EVENT_STREAM } from "@bioxen/contracts";
import { Fault, type StreamMessage, type StreamTarget } from "@bioxen/kernel";
import type { BackupDirectory } from "./directory.ts";
import type { Manifest, StreamPart } from "./manifest.ts";
import type { StepListener } from "./steps.ts";
import { messagesOfPart } from "./verify.ts";

const CONDITIONS = "nats-expected-";

export interface RestoreOptions {
  readonly directory: BackupDirectory;
  /** The manifest of a backup that was verified. */
  readonly manifest: Manifest;
  readonly target: StreamTarget;
  /** True: the restored BioXen has the cluster id of the original. */
  readonly sameCluster: boolean;
  readonly onStep?: StepListener | undefined;
}

export interface Restored {
  readonly clusterId: string;
  /** Sequence of the last event. */
  readonly seq: number;
  /** Number of messages in each stream. */
  readonly messages: Readonly<Record<string, number>>;
}

/**
 * Throws `Fault` CONFLICT when the server is not empty, or when the restored log differs from that of the backup; the
 * restored streams are then unusable.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { directory, manifest, target, sameCluster, onStep = () => undefined } = options;
  const obstacles = await target.obstacles();
  if (obstacles.length > 0) {
    const message = `the server is not empty: ${obstacles.join("; ")}`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
  const messages: Record<string, number> = {};
  const counted = async function* (part: StreamPart): AsyncIterable<StreamMessage> {
    messages[part.name] = 0;
    for await (const message of messagesOfPart(directory, part)) {
      yield withoutConditions(message);
      const done = (messages[part.name] ?? 0) + 1;
      messages[part.name] = done;
      onStep({ what: part.name, done });
    }
  };
  const written = createHash("sha256");
  for (const part of manifest.streams) {
    if (part.kind !== "log") await target.fill(part.name, counted(part));
  }
  for (const part of manifest.streams) {
    if (part.kind !== "log") continue;
    const clusterId = sameCluster ? manifest.log.clusterId : undefined;
    await target.fillLog(digested(counted(part), written), { clusterId });
  }
  await refuseDifference(target, manifest.log.seq, written.digest("hex"), onStep);
  const { clusterId, lastSeq: seq } = await target.recordLog();
  return { clusterId, seq, messages };
}

/**
 * Leaves out the headers with which the original server was asked to store the message only after another one. After an
 * accepted loss the log has no such message any more, and the new server would refuse this one.
 */
function withoutConditions(message: StreamMessage): StreamMessage {
  const headers = message.headers.filter(([name]) => !name.toLowerCase().startsWith(CONDITIONS));
  return { ...message, headers };
}

/** Throws `Fault` CONFLICT when the restored log has other messages, or other sequences, than the backup. */
async function refuseDifference(
  { source }: StreamTarget,
  seq: number,
  expected: string,
  onStep: StepListener,
): Promise<void> {
  const read = createHash("sha256");
  for await (const message of source.read(EVENT_STREAM, 1, seq)) {
    digest(read, message);
    onStep({ what: "comparing the log", done: message.seq, of: seq });
  }
  const last = (await source.lastSeq(EVENT_STREAM)) ?? 0;
  if (read.digest("hex") === expected && last === seq) return;
  const message = `the restored log differs from the backup (it ends at ${last}, the backup at ${seq}): do not use it`;
  throw new Fault("CONFLICT", message, { retryable: false });
}

async function* digested(messages: AsyncIterable<StreamMessage>, into: Hash): AsyncIterable<StreamMessage> {
  for await (const message of messages) {
    digest(into, message);
    yield message;
  }
}

function digest(into: Hash, { seq, subject, headers, data }: StreamMessage): void {
  into.update(JSON.stringify([seq, subject, headers, data.length]));
  into.update(data);
}
