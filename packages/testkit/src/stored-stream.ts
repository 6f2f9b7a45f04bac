/** A stream as a report about the store describes it. */
import type { PresentStream, StoredStream } from "@bioxen/nats";

/**
 * Returns a stream that is as declared, empty and without a limit, apart from `present`. Without `present`, the server
 * has no such stream.
 */
export function storedStream(name: string, present?: Partial<PresentStream>): StoredStream {
  const copies = { wanted: 1, present: 1 };
  const empty = { drift: [], copies, messages: 0, bytes: 0, maxBytes: undefined };
  const kind = name.startsWith("KV_") ? "bucket" : "stream";
  return { name, kind, present: present && { ...empty, ...present } };
}
