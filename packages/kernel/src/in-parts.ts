/**
 * Sends many items in as few messages as fit. The sender does not know the size of the event or reply that a message
 * leads to, so a message that turns out too large is sent again in two halves.
 */
import { Fault } from "./fault.ts";

/** The outcome of sending a part: a result, or the error that says that the part was too large. */
export type SentPart<Result> =
  | { readonly kind: "sent"; readonly result: Result }
  | { readonly kind: "too-large"; readonly cause: Error };

/**
 * Calls `send` for consecutive parts of `items` and returns the results in order. When `send` returns `too-large` or
 * throws `Fault` TOO_LARGE, the part is halved. Throws the cause when a single item is too large.
 */
export async function sendInParts<Item, Result>(
  items: readonly Item[],
  send: (part: readonly Item[]) => Promise<SentPart<Result>>,
): Promise<Result[]> {
  const sent = await attempt(items, send);
  if (sent.kind === "sent") return [sent.result];
  if (items.length <= 1) throw sent.cause;
  const middle = Math.ceil(items.length / 2);
  const first = await sendInParts(items.slice(0, middle), send);
  return [...first, ...(await sendInParts(items.slice(middle), send))];
}

async function attempt<Item, Result>(
  items: readonly Item[],
  send: (part: readonly Item[]) => Promise<SentPart<Result>>,
): Promise<SentPart<Result>> {
  try {
    return await send(items);
  } catch (cause) {
    if (cause instanceof Fault && cause.code === "TOO_LARGE") return { kind: "too-large", cause };
    throw cause;
  }
}
