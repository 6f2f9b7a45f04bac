/**
 * The JSON of a request's body, by the rules of a payload on NATS.
 */
import { isTooDeep, MAX_NESTING } from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import { HttpError } from "../app/http-error.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Returns the value; an empty body is an empty object. Throws `HttpError` BAD_REQUEST. */
export function parsedBody(body: Buffer): unknown {
  if (body.byteLength === 0) return {};
  if (isTooDeep(body)) throw badBody(`is nested deeper than ${MAX_NESTING} levels: send less`);
  try {
    return JSON.parse(decoder.decode(body));
  } catch (thrown) {
    throw badBody(`is not JSON: ${messageOf(thrown)}`);
  }
}

function badBody(message: string): HttpError {
  const details = { problems: [{ path: "", message }] };
  return new HttpError("BAD_REQUEST", `the payload ${message}`, { details });
}
