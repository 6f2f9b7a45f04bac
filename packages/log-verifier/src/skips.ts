/**
 * The skips that a log records, read without the code of the services.
 */
import { isUnreadable, type LogMessage } from "@bioxen/kernel";

/**
 * Returns the digest that each skip has recorded, by the sequence of the skipped message. `messages` are the messages
 * on `bioxen.evt.log.skips`, in order. A skip that a later message has taken back is not in the result.
 */
export function skipsOf(messages: Iterable<LogMessage>): ReadonlyMap<number, string> {
  const skips = new Map<number, string>();
  for (const message of messages) {
    if (isUnreadable(message)) continue;
    const { type, data } = message.envelope;
    const { seq, digest } = data as { readonly seq: number; readonly digest: string };
    if (type === "bioxen.log.skipped.v1") skips.set(seq, digest);
    else if (type === "bioxen.log.unskipped.v1") skips.delete(seq);
  }
  return skips;
}
