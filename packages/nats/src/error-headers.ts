/**
 * The headers with which the services protocol marks a reply as an error.
 */
import { ERRORS, isErrorCode } from "@bioxen/contracts";
import type { ReplyError } from "@bioxen/kernel";
import { headers, type MsgHdrs } from "@nats-io/nats-core";

/** Status in the headers of an error whose code is not in the catalogue of errors (`ERRORS`). */
const UNKNOWN_STATUS = 500;
/** Maximum length of the error text in the header, characters. The payload of the reply has the whole text. */
const MAX_TEXT_LENGTH = 512;

/** Returns code and message of an error as one line of bounded length. */
export function errorText({ code, message }: { readonly code: string; readonly message: string }): string {
  return `${code}: ${message}`.replaceAll(/[\r\n]+/g, " ").slice(0, MAX_TEXT_LENGTH);
}

/** Returns the headers of the reply that carries this error. */
export function errorHeaders({ code, message }: Pick<ReplyError, "code" | "message">): MsgHdrs {
  const status = isErrorCode(code) ? ERRORS[code].status : UNKNOWN_STATUS;
  const h = headers();
  h.set("Nats-Service-Error-Code", String(status));
  h.set("Nats-Service-Error", errorText({ code, message }));
  return h;
}
