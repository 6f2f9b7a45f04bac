/**
 * Snapshots of folds in a KV bucket: two slots of compressed chunks, and a manifest that names the valid slot.
 *
 * A new snapshot is written into the slot that the manifest does not name. Then the manifest is replaced, conditional
 * on its revision. A writer that dies therefore leaves the previous snapshot intact, and nothing has to be deleted. If
 * a writer overwrites a slot during a read, the reader finds a chunk whose digest is not in the manifest, and reads
 * again. The object store of the client is not used, because it computes digests in JavaScript. These digests would
 * take longer than all other work at the start of a service.
 */
import { hash } from "node:crypto";
import { promisify } from "node:util";
// By name, an older Node would end with a SyntaxError before the check of its version (kernel/src/check-node.ts).
import zlib from "node:zlib";
import { CHUNK_BYTES, type Snapshot, type SnapshotHead, type SnapshotStore } from "@bioxen/kernel";
import type { KvEntry } from "@nats-io/kv";
import * as z from "zod";
import { Bucket } from "./buckets.ts";
import type { Bus } from "./bus.ts";
import { onceReady } from "./ready.ts";
import { BUCKETS, type StorageSettings } from "./storage.ts";

const MANIFEST = "manifest";
/** Number of concurrent reads of chunks: enough to hide the round trip, and far below the buffer of a connection. */
const READS_AT_ONCE = 16;
/**
 * Maximum number of tries to read a snapshot. A writer may overwrite the slot during one try; a second failure in a row
 * means that the bucket is damaged.
 */
const READ_ATTEMPTS = 2;

/**
 * Options to decompress a chunk into one buffer. With the default options, zlib would join 32 smaller buffers. A chunk
 * with one very long line may be larger than this buffer.
 */
const WHOLE = { chunkSize: CHUNK_BYTES };

const compress = promisify(zlib.zstdCompress);
const decompress = promisify(zlib.zstdDecompress);

const markSchema = z.object({ seq: z.int().min(1), streamSubject: z.string(), digest: z.string() });

const manifestSchema = z.object({
  slot: z.enum(["a", "b"]),
  head: markSchema.extend({
    newest: markSchema.optional(),
    takenAtMs: z.int(),
    schemas: z.record(z.string(), z.int()),
    skipped: z.array(z.int().min(1)).readonly().optional(),
  }),
  digests: z.array(z.string()),
});
type Manifest = z.infer<typeof manifestSchema>;

/** Opens the store of snapshots. Throws `Fault` UNAVAILABLE when its bucket can be neither opened nor created. */
export async function openFoldSnapshots(bus: Bus, storage: StorageSettings = {}): Promise<SnapshotStore> {
  const bucket = new Bucket(bus, BUCKETS.snapshots, storage);
  await onceReady("snapshots cannot be reached", () => bucket.open());
  return new KvFoldSnapshots(bucket);
}

class KvFoldSnapshots implements SnapshotStore {
  readonly #bucket: Bucket;

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  async newest(): Promise<Snapshot | undefined> {
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt += 1) {
      const { manifest } = await this.#manifest();
      if (manifest === undefined) return undefined;
      const chunks = await this.#chunks(manifest);
      if (chunks !== undefined) return { head: manifest.head, chunks };
    }
    return undefined;
  }

  async newestHead(): Promise<SnapshotHead | undefined> {
    return (await this.#manifest()).manifest?.head;
  }

  async save(head: SnapshotHead, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const before = await this.#manifest();
    const slot = before.manifest?.slot === "a" ? "b" : "a";
    const digests: string[] = [];
    for await (const chunk of chunks) {
      const packed = await compress(chunk);
      await this.#bucket.use((kv) => kv.put(`${slot}.${digests.length}`, packed));
      digests.push(hash("sha256", packed, "hex"));
    }
    const text = JSON.stringify({ slot, head, digests } satisfies Manifest);
    await this.#bucket.use((kv) =>
      before.revision === 0 ? kv.create(MANIFEST, text) : kv.update(MANIFEST, text, before.revision),
    );
  }

  /** Returns the chunks of a snapshot; undefined when one is missing or has another digest than the manifest says. */
  async #chunks({ slot, digests }: Manifest): Promise<Uint8Array[] | undefined> {
    const chunks: Uint8Array[] = new Array(digests.length);
    let next = 0;
    let whole = true;
    const reader = async () => {
      while (whole && next < digests.length) {
        const i = next;
        next += 1;
        const entry = await this.#get(`${slot}.${i}`);
        if (entry === null || hash("sha256", entry.value, "hex") !== digests[i]) whole = false;
        else chunks[i] = await decompress(entry.value, WHOLE);
      }
    };
    await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
    return whole ? chunks : undefined;
  }

  /** Reads the manifest and its revision in the bucket. A malformed manifest counts as absent, and is overwritten. */
  async #manifest(): Promise<{ readonly manifest: Manifest | undefined; readonly revision: number }> {
    const entry = await this.#get(MANIFEST);
    if (entry === null) return { manifest: undefined, revision: 0 };
    let json: unknown;
    try {
      json = entry.json();
    } catch {
      json = undefined;
    }
    return { manifest: manifestSchema.safeParse(json).data, revision: entry.revision };
  }

  #get(key: string): Promise<KvEntry | null> {
    return this.#bucket.use((kv) => kv.get(key));
  }
}
