/**
 * The latest connection, which the factories of the main module use.
 */
import type { Bioxen } from "./connection.ts";
import { BioxenError } from "./errors.ts";

let latest: Bioxen | undefined;

/** Makes this connection the latest one, and returns it. */
export function remembered(bioxen: Bioxen): Bioxen {
  latest = bioxen;
  return bioxen;
}

/** Returns the latest connection. Throws {@link BioxenError} UNAVAILABLE when there is none. */
export function connected(): Bioxen {
  if (latest !== undefined) return latest;
  const message = "not connected: call connect() or startLocalStack() first";
  throw new BioxenError({ code: "UNAVAILABLE", message, retryable: false });
}
