/**
 * Joins the chunks that a connection reads in one turn of the event loop.
 *
 * A server with TLS encrypts each flush of its buffer as a record of its own, and Node passes on each record alone. A
 * process that reads ten records at once would parse ten times, wake its readers ten times, and answer in ten writes.
 * Without TLS, the kernel joins what has arrived since the last read, so that the same messages are one chunk.
 */

/**
 * Size from which joined chunks are passed on at once, bytes: one read of a connection without TLS. With a higher limit,
 * a process that limits its reads (read-pace.ts) would stop too late.
 */
export const LARGEST_JOIN_BYTES = 65_536;

/** Yields the bytes of `source` in their order, at most one chunk for each turn in which fewer bytes than the limit arrive. */
export async function* joinedReads(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const joining = new Joining();
  const reading = joining.readAll(source);
  for (;;) {
    const chunk = await joining.next();
    if (chunk === undefined) break;
    yield chunk;
  }
  await reading;
}

class Joining {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isDue = false;
  #hasEnded = false;
  #wake: (() => void) | undefined;

  /** Takes every chunk of `source`. Rejects as `source` does. */
  async readAll(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of source) this.#add(chunk);
    } finally {
      this.#hasEnded = true;
      this.#pass();
    }
  }

  /** Returns the next joined chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    while (!this.#isDue && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunks = this.#chunks;
    const bytes = this.#bytes;
    this.#chunks = [];
    this.#bytes = 0;
    this.#isDue = false;
    return chunks.length < 2 ? chunks[0] : Buffer.concat(chunks, bytes);
  }

  #add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes >= LARGEST_JOIN_BYTES) this.#pass();
    else if (this.#chunks.length === 1) setImmediate(() => this.#pass());
  }

  #pass(): void {
    this.#isDue = this.#chunks.length > 0;
    this.#wake?.();
    this.#wake = undefined;
  }
}
