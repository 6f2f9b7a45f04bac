/**
 * Failed calls to other services.
 */
import { Fault, type ReplyError } from "@bioxen/kernel";

/** Returns a retryable `Fault` UNAVAILABLE that names the subject that was called and the error that came back. */
export function callFailure(subject: string, { code, message }: ReplyError): Fault {
  return new Fault("UNAVAILABLE", `${subject}: ${code}: ${message}`, { retryable: true });
}
