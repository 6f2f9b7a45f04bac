/**
 * The tests that every snapshot store must pass. The store in memory and the KV bucket both run them.
 */
import { eventSubject } from "@bioxen/contracts";
import type { SnapshotHead, SnapshotStore } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

export interface StoreUnderTest {
  readonly store: SnapshotStore;
  readonly close: () => Promise<void>;
}

const headAt = (seq: number): SnapshotHead => ({
  seq,
  streamSubject: eventSubject("vm", "x"),
  digest: "d".repeat(64),
  newest: { seq: seq + 3, streamSubject: eventSubject("vm", "y"), digest: "e".repeat(64) },
  takenAtMs: 1_700_000_000_000,
  schemas: { vm: 1 },
  skipped: [2, 5],
});

export async function* chunksFrom(texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

export function snapshotStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`snapshots ${name}`, () => {
    let under: StoreUnderTest;
    const texts = async () => {
      const snapshot = await under.store.newest();
      return snapshot?.chunks.map((chunk) => new TextDecoder().decode(chunk));
    };
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    it("is empty at first", async () => {
      expect(await under.store.newest()).toBeUndefined();
      expect(await under.store.newestHead()).toBeUndefined();
    });

    it("returns the saved snapshot, and after that the one that replaced it", async () => {
      const long = "line\n".repeat(100_000);
      await under.store.save(headAt(10), chunksFrom(["one\n", long, "three\n"]));
      expect(await texts()).toEqual(["one\n", long, "three\n"]);
      await under.store.save(headAt(20), chunksFrom(["four\n"]));
      expect(await texts()).toEqual(["four\n"]);
      expect((await under.store.newest())?.head).toEqual(headAt(20));
      await under.store.save(headAt(30), chunksFrom(["five\n", "six\n"]));
      expect(await texts()).toEqual(["five\n", "six\n"]);
      expect(await under.store.newestHead()).toEqual(headAt(30));
    });

    it("keeps the previous snapshot whole when a writer fails half-way", async () => {
      async function* dying(): AsyncGenerator<Uint8Array> {
        yield new TextEncoder().encode("half\n");
        throw new Error("killed");
      }
      await expect(under.store.save(headAt(40), dying())).rejects.toThrow("killed");
      expect(await texts()).toEqual(["five\n", "six\n"]);
      expect(await under.store.newestHead()).toEqual(headAt(30));
    });

    it("accepts one of two concurrent writers, and returns no mixture of both", async () => {
      const writes = [headAt(50), headAt(60)].map((head) =>
        under.store.save(head, chunksFrom([`${head.seq} a\n`, `${head.seq} b\n`])),
      );
      const settled = await Promise.allSettled(writes);
      expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const snapshot = await under.store.newest();
      // Both writers wrote to the same slot, so the store may hold no complete snapshot. It must not return a mixture
      // of the two snapshots.
      if (snapshot !== undefined)
        expect(await texts()).toEqual([`${snapshot.head.seq} a\n`, `${snapshot.head.seq} b\n`]);
    });
  });
}
