/**
 * The contract of every blob store; the store in memory and the one on JetStream run it.
 */
import { hash } from "node:crypto";
import { type BlobStore, MAX_BLOB_BYTES } from "@bioxen/kernel";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

export interface BlobsUnderTest {
  readonly store: BlobStore;
  readonly close: () => Promise<void>;
}

const digestOf = (bytes: Uint8Array): string => hash("sha256", bytes, "hex");
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function blobStoreContract(name: string, open: () => Promise<BlobsUnderTest>): void {
  describe(`blobs ${name}`, () => {
    let under: BlobsUnderTest;
    let store: BlobStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => under.close());

    it("is empty at first", async () => {
      expect(await store.list()).toEqual([]);
      expect(await store.get("vm-a.one", "00")).toEqual({ kind: "absent" });
      expect(await store.storedAtMs("vm-a.one")).toBeUndefined();
      await store.delete("vm-a.one");
    });

    it("returns the bytes that were put, however often they are put", async () => {
      const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7) % 256);
      for (let i = 0; i < 3; i += 1) await store.put("vm-a.one", bytes);
      expect(await store.get("vm-a.one", digestOf(bytes))).toEqual({ kind: "whole", bytes });
      expect(await store.list()).toEqual(["vm-a.one"]);
      const ageMs = Date.now() - ((await store.storedAtMs("vm-a.one")) ?? 0);
      expect(ageMs).toBeGreaterThan(-60_000);
      expect(ageMs).toBeLessThan(60_000);
    });

    it("answers damaged, without the bytes, when they do not match the digest", async () => {
      await store.put("vm-a.other", bytesOf("other"));
      expect(await store.get("vm-a.other", digestOf(bytesOf("expected")))).toEqual({ kind: "damaged" });
    });

    it("stores an empty blob and the largest one, and rejects a larger one without storing it", async () => {
      const largest = Uint8Array.from({ length: MAX_BLOB_BYTES }, (_, i) => (i * i) % 251);
      for (const [blob, bytes] of [
        ["vm-b.empty", new Uint8Array(0)],
        ["vm-b.largest", largest],
      ] as const) {
        await store.put(blob, bytes);
        expect(await store.get(blob, digestOf(bytes))).toEqual({ kind: "whole", bytes });
      }
      const tooLarge = store.put("vm-b.larger", new Uint8Array(MAX_BLOB_BYTES + 1));
      await expect(tooLarge).rejects.toMatchObject({ code: "TOO_LARGE", retryable: false });
      expect(await store.get("vm-b.larger", "00")).toEqual({ kind: "absent" });
    });

    it("deletes one blob completely, and no other", async () => {
      const before = await store.list();
      await store.put("vm-c.one", bytesOf("1"));
      await store.put("vm-c.two", bytesOf("2"));
      await store.delete("vm-c.one");
      expect((await store.list()).toSorted()).toEqual([...before, "vm-c.two"].toSorted());
      expect(await store.get("vm-c.one", digestOf(bytesOf("1")))).toEqual({ kind: "absent" });
      expect(await store.get("vm-c.two", digestOf(bytesOf("2")))).toMatchObject({ kind: "whole" });
    });
  });
}
