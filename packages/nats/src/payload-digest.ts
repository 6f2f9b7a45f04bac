/**
 * The digest of a command's payload. It is kept with the first outcome of a message id, so that another payload under
 * the same id is noticed.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "@bioxen/kernel";
import type { ParsedPayload } from "./command.ts";

/**
 * Returns the digest of a payload. The order of fields and the spaces between them do not count: a client may serialise
 * the same request again. A payload that is not JSON counts byte by byte. The parser has limited the depth of the value.
 */
export function payloadDigest(payload: ParsedPayload, data: Uint8Array): string {
  const hash = createHash("sha256");
  return (payload.ok ? hash.update(canonicalJson(payload.value)) : hash.update(data)).digest("base64url");
}
