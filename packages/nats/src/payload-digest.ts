/**
 * The digest of a command's payload. It is kept with the first outcome of a message id, so that another payload under
 * the same id is noticed.
 */
import { createHash } from "node:crypto";
import type { ParsedPayload } from "./command.ts";

/**
 * Returns the digest of a payload. The order of fields and the spaces between them do not count: a client may serialise
 * the same request again. A payload that is not JSON counts byte by byte.
 */
export function payloadDigest(payload: ParsedPayload, data: Uint8Array): string {
  const hash = createHash("sha256");
  return (payload.ok ? hash.update(canonical(payload.value)) : hash.update(data)).digest("base64url");
}

/** Returns JSON with sorted fields and without spaces. The parser has limited the depth of `value`. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}
