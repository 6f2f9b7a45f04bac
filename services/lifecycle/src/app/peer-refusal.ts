/** Rejections by another service: a command that called the service passes its rejection on to the caller. */
import { isErrorCode, refuse } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import type { VmRejection } from "../domain/vm-decision.ts";

/** Returns the rejection unchanged, except that a code outside of the catalogue becomes INTERNAL. */
export function passedOn({ code, message, retryable, details }: ReplyError): VmRejection {
  const known = isErrorCode(code) ? code : "INTERNAL";
  return refuse(known, message, details === undefined ? { retryable } : { retryable, details });
}
