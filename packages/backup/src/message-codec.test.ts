import type { StreamMessage } from "@bioxen/kernel";
import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeMessages, encodeMessage, MalformedMessages } from "./message-codec.ts";

const message = fc.record({
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  subject: fc.string({ unit: "binary" }),
  time: fc.constant("2026-12-01T00:00:00.123456789Z"),
  headers: fc.array(fc.tuple(fc.string(), fc.string())),
  data: fc.uint8Array({ maxLength: 300 }),
});

async function decoded(bytes: Uint8Array, chunkBytes: number): Promise<StreamMessage[]> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const messages: StreamMessage[] = [];
  for await (const one of decodeMessages(chunks())) {
    messages.push({ ...one, data: Uint8Array.from(one.data) });
  }
  return messages;
}

it("reads back what it writes, from chunks of any size", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message), fc.integer({ min: 1, max: 500 }), async (messages, chunkBytes) => {
      const bytes = Buffer.concat(messages.map(encodeMessage));
      expect(await decoded(bytes, chunkBytes)).toEqual(messages);
    }),
  );
});

it("refuses a cut at any byte but the ends of messages", async () => {
  const one = encodeMessage({ seq: 1, subject: "a", time: "t", headers: [], data: Uint8Array.of(1, 2, 3) });
  for (let cut = 1; cut < one.length; cut += 1) {
    await expect(decoded(one.subarray(0, cut), 7)).rejects.toThrow(MalformedMessages);
  }
});
