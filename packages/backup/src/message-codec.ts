/**
 * The form of messages in a file of a backup, pure.
 *
 * Each message is: the length of its head and of its data, each 4 bytes, big-endian; the head, as JSON; the data, as
 * they are. The file of such messages is compressed as a whole with Zstandard.
 */
import type { StreamMessage } from "@bioxen/kernel";
import * as z from "zod";

const LENGTHS_BYTES = 8;
/** Largest head or data of one message, bytes. A server carries 64 MiB at most; more is a damaged length. */
const MAX_PART_BYTES = 128 * 1024 * 1024;

const headSchema = z.object({
  seq: z.int().min(1),
  subject: z.string(),
  time: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
});

/** Thrown for bytes that are no messages. */
export class MalformedMessages extends Error {}

export function encodeMessage({ seq, subject, time, headers, data }: StreamMessage): Buffer {
  const head = Buffer.from(JSON.stringify({ seq, subject, time, headers }));
  const bytes = Buffer.allocUnsafe(LENGTHS_BYTES + head.length + data.length);
  bytes.writeUInt32BE(head.length, 0);
  bytes.writeUInt32BE(data.length, 4);
  bytes.set(head, LENGTHS_BYTES);
  bytes.set(data, LENGTHS_BYTES + head.length);
  return bytes;
}

/** Decodes messages from chunks of any size. Throws {@link MalformedMessages} for a cut or damaged sequence of bytes. */
export async function* decodeMessages(chunks: AsyncIterable<Uint8Array>): AsyncIterable<StreamMessage> {
  const rest = new Joined();
  for await (const chunk of chunks) {
    rest.add(chunk);
    for (let message = next(rest); message !== undefined; message = next(rest)) yield message;
  }
  if (rest.length > 0) throw new MalformedMessages("the last message is cut off");
}

function next(rest: Joined): StreamMessage | undefined {
  if (rest.length < LENGTHS_BYTES) return undefined;
  const lengths = rest.peek(LENGTHS_BYTES);
  const [head, data] = [lengths.readUInt32BE(0), lengths.readUInt32BE(4)];
  if (head > MAX_PART_BYTES || data > MAX_PART_BYTES) throw new MalformedMessages("a length is impossible");
  const whole = LENGTHS_BYTES + head + data;
  if (rest.length < whole) return undefined;
  const bytes = rest.take(whole);
  const parsed = headSchema.safeParse(jsonOf(bytes.subarray(LENGTHS_BYTES, LENGTHS_BYTES + head)));
  if (!parsed.success) throw new MalformedMessages("the head of a message is malformed");
  return { ...parsed.data, data: bytes.subarray(LENGTHS_BYTES + head) };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Chunks of bytes that are joined only when a message is complete, so that a large message is copied once. */
class Joined {
  #chunks: Buffer[] = [];
  length = 0;

  add(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    this.length += chunk.length;
  }

  peek(bytes: number): Buffer {
    const [first] = this.#chunks;
    return first !== undefined && first.length >= bytes ? first : this.#join();
  }

  take(bytes: number): Buffer {
    const first = this.peek(bytes);
    const rest = first.subarray(bytes);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
    this.length -= bytes;
    return first.subarray(0, bytes);
  }

  #join(): Buffer {
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
