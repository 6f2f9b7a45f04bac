/**
 * Refusals of another service that a command called.
 */
import { isErrorCode, refuse } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import type { VmRejection } from "../domain/vm-decision.ts";

/** The refusal unchanged; a code that the catalogue does not have becomes INTERNAL. */
export function passedOn({ code, message, retryable, details }: ReplyError): VmRejection {
  const known = isErrorCode(code) ? code : "INTERNAL";
  return refuse(known, message, details === undefined ? { retryable } : { retryable, details });
}
