import { describe, expect, it } from "vitest";
import { KeyedQueue } from "./keyed-queue.ts";

/** Work that the test completes explicitly, with a record of each beginning and end. */
function workshop() {
  const record: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const work = (name: string) => async () => {
    record.push(`begin ${name}`);
    const end = Promise.withResolvers<void>();
    ends.set(name, end);
    await end.promise;
    record.push(`end ${name}`);
    return name;
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    record,
    work,
    settle,
    async end(name: string) {
      ends.get(name)?.resolve();
      await settle();
    },
    async fail(name: string) {
      ends.get(name)?.reject(new Error(name));
      await settle();
    },
  };
}

describe("a queue per key", () => {
  it("runs work under one key in order, and under different keys at the same time", async () => {
    const queue = new KeyedQueue();
    const { record, work, settle, end } = workshop();
    const results = [queue.run("k", work("a")), queue.run("k", work("b")), queue.run("other", work("c"))];
    await settle();
    expect(record).toEqual(["begin a", "begin c"]);
    await end("a");
    await end("c");
    await end("b");
    expect(record).toEqual(["begin a", "begin c", "end a", "begin b", "end c", "end b"]);
    expect(await Promise.all(results)).toEqual(["a", "b", "c"]);
  });

  it("runs the next piece after one that fails", async () => {
    const queue = new KeyedQueue();
    const { work, settle, end, fail } = workshop();
    const [first, second] = [queue.run("k", work("a")), queue.run("k", work("b"))];
    const failed = expect(first).rejects.toThrow("a");
    await settle();
    await fail("a");
    await end("b");
    await failed;
    expect(await second).toBe("b");
  });

  it("knows which keys have work, and resolves when all work has ended", async () => {
    const queue = new KeyedQueue();
    const { record, work, settle, end } = workshop();
    void queue.run("k", work("a"));
    void queue.run("k", work("b"));
    await settle();
    expect([queue.isBusy("k"), queue.isBusy("other")]).toEqual([true, false]);
    const idle = queue.idle().then(() => record.push("idle"));
    await end("a");
    expect(queue.isBusy("k")).toBe(true);
    await end("b");
    await idle;
    expect(record.slice(-2)).toEqual(["end b", "idle"]);
    expect(queue.isBusy("k")).toBe(false);
  });
});
