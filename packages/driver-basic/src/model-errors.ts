/** The exceptions of cell models as errors of the driver port. */
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";

/** Returns the result of `body`. Throws `BAD_REQUEST` for a `RangeError`, and `GUEST_ERROR` for any other exception. */
export function badRequestUnless<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof RangeError) throw new DriverError("BAD_REQUEST", error.message, { cause: error });
    // The model may be a third-party package. Its exception fails this guest, and a retry would not help.
    throw new DriverError("GUEST_ERROR", `the cell model failed: ${messageOf(error)}`, { cause: error });
  }
}
