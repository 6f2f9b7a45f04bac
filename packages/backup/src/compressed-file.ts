/**
 * Files of a backup: written once, compressed, with a digest of the bytes on disk; read as a stream.
 */
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
// By name, an older Node would end with a SyntaxError before the check of its version (kernel/src/check-node.ts).
import zlib from "node:zlib";
import type { StreamMessage } from "@bioxen/kernel";
import type { BackupDirectory } from "./directory.ts";
import type { BackupFile, MessagesFile } from "./manifest.ts";
import { decodeMessages, encodeMessage } from "./message-codec.ts";

/** Number of bytes that are gathered before they are compressed, so that small messages cost no call each. */
const CHUNK_BYTES = 128 * 1024;

export class CompressedFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #compress: zlib.ZstdCompress;
  readonly #hash: Hash = createHash("sha256");
  readonly #written: Promise<void>;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #bytes = 0;
  #failure: unknown;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
    this.#compress = zlib.createZstdCompress();
    this.#written = this.#drain().catch((cause: unknown) => {
      this.#failure = cause;
      this.#compress.destroy();
    });
  }

  /** Creates the file. An existing file of this path is a leftover of an interrupted backup. */
  static async create(directory: BackupDirectory, path: string): Promise<CompressedFile> {
    return new CompressedFile(path, await open(directory.pathOf({ path }), "w", 0o600));
  }

  /** Resolves when more may be written. Rejects when the disk refuses. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= CHUNK_BYTES) await this.#flush();
  }

  /** Ends the file. Resolves when its content is on disk. */
  async end(): Promise<BackupFile> {
    await this.#flush();
    this.#compress.end();
    await this.#written;
    if (this.#failure === undefined) await this.#handle.sync();
    await this.#handle.close();
    if (this.#failure !== undefined) throw this.#failure;
    return { path: this.#path, sha256: this.#hash.digest("hex"), bytes: this.#bytes };
  }

  async abandon(): Promise<void> {
    this.#compress.destroy();
    await this.#written;
    await this.#handle.close().catch(() => undefined);
  }

  async #flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const joined = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (this.#compress.write(joined)) return;
    await Promise.race([once(this.#compress, "drain"), this.#written]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #drain(): Promise<void> {
    for await (const chunk of this.#compress as AsyncIterable<Buffer>) {
      this.#hash.update(chunk);
      await this.#handle.writeFile(chunk);
      this.#bytes += chunk.length;
    }
  }
}

/** A file of messages while it is written. */
export class MessagesWriter {
  readonly #file: CompressedFile;
  #messages = 0;
  #firstSeq = 0;
  #lastSeq = 0;

  constructor(file: CompressedFile) {
    this.#file = file;
  }

  get messages(): number {
    return this.#messages;
  }

  async add(message: StreamMessage): Promise<void> {
    await this.#file.write(encodeMessage(message));
    if (this.#messages === 0) this.#firstSeq = message.seq;
    this.#lastSeq = message.seq;
    this.#messages += 1;
  }

  async end(): Promise<MessagesFile> {
    const { bytes, path, sha256 } = await this.#file.end();
    return {
      path,
      sha256,
      bytes,
      messages: this.#messages,
      firstSeq: this.#firstSeq,
      lastSeq: this.#lastSeq,
    };
  }
}

/** Returns the decompressed content, in chunks. */
export function contentOf(directory: BackupDirectory, file: Pick<BackupFile, "path">): AsyncIterable<Buffer> {
  const raw = createReadStream(directory.pathOf(file), { highWaterMark: CHUNK_BYTES });
  const content = zlib.createZstdDecompress();
  raw.once("error", (cause) => content.destroy(cause));
  return raw.pipe(content);
}

export function messagesOf(
  directory: BackupDirectory,
  file: Pick<BackupFile, "path">,
): AsyncIterable<StreamMessage> {
  return decodeMessages(contentOf(directory, file));
}

/** Returns the digest of the bytes on disk. */
export async function digestOfFile(
  directory: BackupDirectory,
  file: Pick<BackupFile, "path">,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(directory.pathOf(file), { highWaterMark: CHUNK_BYTES })) {
    digest.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { sha256: digest.digest("hex"), bytes };
}
