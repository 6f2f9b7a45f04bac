/** The size limit of Lua sources: programs and execs. */
import { DriverError } from "@bioxen/vm-driver";
import { MAX_SOURCE_BYTES } from "./limits.ts";

/** Checks the size of a Lua source. Throws `TOO_LARGE` if it has more than {@link MAX_SOURCE_BYTES}. */
export function checkSource(source: string): void {
  const bytes = Buffer.byteLength(source);
  if (bytes > MAX_SOURCE_BYTES) {
    throw new DriverError("TOO_LARGE", `the source has ${bytes} bytes, more than ${MAX_SOURCE_BYTES}`, {
      details: { limitBytes: MAX_SOURCE_BYTES, bytes },
    });
  }
}
