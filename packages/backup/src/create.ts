/**
 * Writes a backup, or adds an increment to one, while commands go on.
 *
 * Order: the queues, the objects, the end of the log (S), the objects that were stored meanwhile, the log up to S. Only
 * the few objects that are stored just before S and deleted just after it can be missed. The log says whether one was;
 * then another S is taken.
 */
import { hash } from "node:crypto";
import { EVENT_STREAM, GUEST_STATE_STREAM } from "@bioxen/contracts";
import { Fault, type LogFigures, type StreamMessage, type StreamSource } from "@bioxen/kernel";
import { CompressedFile, MessagesWriter, messagesOf } from "./compressed-file.ts";
import { type BackupDirectory, streamFile } from "./directory.ts";
import { type LiveObjects, readLive, writeLive } from "./live-objects.ts";
import { LogGaps } from "./log-gaps.ts";
import { FORMAT, type Manifest, type MessagesFile, type StreamPart } from "./manifest.ts";
import { referencesOf, unresolved } from "./references.ts";
import type { StepListener } from "./steps.ts";
import { BACKED_UP_STREAMS, type BackedUpStream } from "./streams.ts";

/** Number of ends of the log that are tried. Each try after the first copies what was stored within some seconds. */
const MAX_ENDS = 5;

export interface CreateOptions {
  readonly source: StreamSource;
  readonly directory: BackupDirectory;
  /** The backup to which an increment is added; undefined: a whole backup. */
  readonly previous: Manifest | undefined;
  /** Generation of the files. Greater than that of every file in the directory. */
  readonly generation: number;
  readonly version: string;
  readonly nowMs: () => number;
  readonly onStep?: StepListener | undefined;
}

/** Writes the files and returns their manifest, which the caller publishes. Throws `Fault`, and errors of the disk. */
export async function createBackup(options: CreateOptions): Promise<Manifest> {
  const { source, previous, generation, version, nowMs } = options;
  const before = await source.log();
  refuseOther(before, previous);
  const copies = new Copies(options);
  try {
    for (const stream of BACKED_UP_STREAMS) if (stream.kind === "records") await copies.records(stream);
    await copies.begin();
    for (let end = 1; ; end += 1) {
      const log = await copies.upToOneEnd();
      const missing = unresolved(await copies.references(), copies.objectsOf(GUEST_STATE_STREAM));
      if (missing.length === 0) {
        const streams = await copies.end();
        return {
          format: FORMAT,
          version,
          createdAtMs: nowMs(),
          generation,
          log: { clusterId: log.clusterId, created: log.created, seq: log.lastSeq },
          streams,
        };
      }
      if (end < MAX_ENDS) continue;
      const [{ subject } = { subject: "" }] = missing;
      const message = `${missing.length} guest states that the log refers to cannot be read, such as ${subject}`;
      throw new Fault("CONFLICT", message, { retryable: true });
    }
  } catch (thrown) {
    await copies.abandon();
    throw thrown;
  }
}

function refuseOther(log: LogFigures, previous: Manifest | undefined): void {
  if (previous === undefined) return;
  const { clusterId, created, seq } = previous.log;
  const isOther = clusterId !== log.clusterId || created !== log.created;
  if (!isOther && seq <= log.lastSeq) return;
  const problem = isOther
    ? "the backup is of another event log"
    : `the backup has ${seq} events, and the log only ${log.lastSeq}`;
  throw new Fault("CONFLICT", `${problem}: make a whole backup in another directory`, { retryable: false });
}

/** The copy of one stream of objects while it is written. */
interface ObjectsCopy {
  readonly stream: BackedUpStream;
  readonly writer: MessagesWriter;
  readonly earlier: readonly MessagesFile[];
  objects: LiveObjects;
  readTo: number;
}

class Copies {
  readonly #options: CreateOptions;
  readonly #parts: StreamPart[] = [];
  readonly #open: CompressedFile[] = [];
  readonly #objects: ObjectsCopy[] = [];
  readonly #logFiles: MessagesFile[];
  #logTo: number;
  #logFileNumber = 0;

  constructor(options: CreateOptions) {
    this.#options = options;
    const part = options.previous?.streams.find(({ kind }) => kind === "log");
    this.#logFiles = [...(part?.files ?? [])];
    this.#logTo = part?.readTo ?? 0;
  }

  async records({ name, kind }: BackedUpStream): Promise<void> {
    const { source } = this.#options;
    const last = (await source.lastSeq(name)) ?? 0;
    const writer = await this.#writer(name);
    await this.#copy(name, writer, 1, last, () => undefined);
    const file = await writer.end();
    this.#parts.push({ name, kind, readTo: last, files: file.messages === 0 ? [] : [file] });
  }

  /** Copies the objects that the streams have now. */
  async begin(): Promise<void> {
    const { directory, previous } = this.#options;
    for (const stream of BACKED_UP_STREAMS) {
      if (stream.kind !== "objects") continue;
      const part = previous?.streams.find(({ name }) => name === stream.name);
      const objects: LiveObjects =
        part?.live === undefined ? new Map() : await readLive(directory, part.live);
      const copy: ObjectsCopy = {
        stream,
        writer: await this.#writer(stream.name),
        earlier: part?.files ?? [],
        objects,
        readTo: part?.readTo ?? 0,
      };
      this.#objects.push(copy);
      await this.#follow(copy);
    }
  }

  /** Takes the end of the log, and copies what the log refers to at that end. */
  async upToOneEnd(): Promise<LogFigures> {
    const { source } = this.#options;
    for (const copy of this.#objects) {
      const readTo = copy.readTo;
      const present = new Set(await source.subjects(copy.stream.name));
      await this.#follow(copy);
      for (const [subject, { seq }] of copy.objects) {
        if (seq <= readTo && !present.has(subject)) copy.objects.delete(subject);
      }
    }
    const log = await source.log();
    for (const copy of this.#objects) await this.#follow(copy);
    await this.#copyLog(log);
    return log;
  }

  references() {
    return referencesOf(() => this.#copiedLog());
  }

  objectsOf(stream: string): LiveObjects {
    return this.#objects.find(({ stream: { name } }) => name === stream)?.objects ?? new Map();
  }

  async end(): Promise<StreamPart[]> {
    for (const copy of this.#objects) this.#parts.push(await this.#endObjects(copy));
    this.#parts.push({ name: EVENT_STREAM, kind: "log", readTo: this.#logTo, files: this.#logFiles });
    return this.#parts;
  }

  async abandon(): Promise<void> {
    for (const file of this.#open) await file.abandon();
  }

  async #endObjects({ stream, writer, earlier, objects, readTo }: ObjectsCopy): Promise<StreamPart> {
    const { directory, generation } = this.#options;
    const file = await writer.end();
    const live = await writeLive(directory, streamFile(stream.name, generation, "live"), objects);
    const seqs = [...objects.values()].map(({ seq }) => seq);
    const isUsed = ({ firstSeq, lastSeq }: MessagesFile) =>
      seqs.some((seq) => seq >= firstSeq && seq <= lastSeq);
    // A file none of whose messages is in use any more leaves the backup.
    const files = [...earlier, file].filter(isUsed);
    return { name: stream.name, kind: stream.kind, readTo, files, live };
  }

  /** Copies what the stream has after the last copied message. */
  async #follow(copy: ObjectsCopy): Promise<void> {
    const { source } = this.#options;
    const last = (await source.lastSeq(copy.stream.name)) ?? 0;
    await this.#copy(copy.stream.name, copy.writer, copy.readTo + 1, last, ({ seq, subject, data }) => {
      copy.objects.set(subject, { seq, sha256: hash("sha256", data, "hex") });
    });
    copy.readTo = Math.max(copy.readTo, last);
  }

  async #copyLog({ lastSeq: toSeq, missing }: LogFigures): Promise<void> {
    if (toSeq <= this.#logTo) return;
    this.#logFileNumber += 1;
    const writer = await this.#writer(EVENT_STREAM, `messages-${this.#logFileNumber}`);
    const gaps = new LogGaps(this.#logTo + 1, missing);
    await this.#copy(EVENT_STREAM, writer, this.#logTo + 1, toSeq, ({ seq }) => gaps.received(seq));
    gaps.received(toSeq + 1);
    this.#logFiles.push(await writer.end());
    this.#logTo = toSeq;
  }

  async *#copiedLog(): AsyncIterable<StreamMessage> {
    for (const file of this.#logFiles) yield* messagesOf(this.#options.directory, file);
  }

  async #copy(
    stream: string,
    writer: MessagesWriter,
    fromSeq: number,
    toSeq: number,
    onMessage: (message: StreamMessage) => void,
  ): Promise<void> {
    const { source, onStep = () => undefined } = this.#options;
    if (toSeq < fromSeq) return;
    for await (const message of source.read(stream, fromSeq, toSeq)) {
      await writer.add(message);
      onMessage(message);
      onStep({ what: stream, done: message.seq, of: toSeq });
    }
  }

  async #writer(stream: string, what = "messages"): Promise<MessagesWriter> {
    const { directory, generation } = this.#options;
    const file = await CompressedFile.create(directory, streamFile(stream, generation, what));
    this.#open.push(file);
    return new MessagesWriter(file);
  }
}
