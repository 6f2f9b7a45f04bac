import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { joinedReads, LARGEST_JOIN_BYTES } from "./joined-reads.ts";

/** A connection: `push` delivers a chunk, as the callback of a socket does, and `end` ends it. */
class Source implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #isOver = false;
  #failure: Error | undefined;
  #wake = () => {};

  push(text: string): void {
    this.#chunks.push(new TextEncoder().encode(text));
    this.#wake();
  }

  end(failure?: Error): void {
    this.#isOver = true;
    this.#failure = failure;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#isOver) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** Returns a source, and the list of the joined chunks so far. */
function reading(): { source: Source; seen: string[]; ended: Promise<void> } {
  const source = new Source();
  const seen: string[] = [];
  const ended = (async () => {
    for await (const chunk of joinedReads(source)) seen.push(new TextDecoder().decode(chunk));
  })();
  return { source, seen, ended };
}

/** Lets pending promises settle without a turn of the event loop, as between two records of one read. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await undefined;
}

it("joins the records of one read in their order", async () => {
  const { source, seen } = reading();
  for (const text of ["a", "b", "c"]) {
    source.push(text);
    await microtasks();
  }
  expect(seen).toEqual([]);
  await turn();
  expect(seen).toEqual(["abc"]);
  source.push("d");
  await turn();
  await turn();
  expect(seen).toEqual(["abc", "d"]);
});

it("passes on a large read at once, and keeps nothing of it", async () => {
  const { source, seen, ended } = reading();
  const half = "x".repeat(LARGEST_JOIN_BYTES / 2);
  source.push(half);
  await microtasks();
  expect(seen).toEqual([]);
  source.push(half);
  await microtasks();
  expect(seen).toEqual([half + half]);
  source.push("y");
  await turn();
  await turn();
  expect(seen).toEqual([half + half, "y"]);
  source.end();
  await ended;
  expect(seen).toHaveLength(2);
});

it("passes on what was read before the end", async () => {
  const { source, seen, ended } = reading();
  source.push("last");
  source.end();
  await ended;
  expect(seen).toEqual(["last"]);
});

it("fails as the connection does, after what was read before", async () => {
  const { source, seen, ended } = reading();
  source.push("last");
  source.end(new Error("cut"));
  await expect(ended).rejects.toThrow("cut");
  expect(seen).toEqual(["last"]);
});
