/**
 * The verdict on a request that the contract gives, computed apart from the services: limits of headers and payload,
 * UTF-8, JSON and its depth, and then the schema of the endpoint.
 */
import { isUtf8 } from "node:buffer";
import {
  type Endpoint,
  MAX_HEADER_BYTES,
  MAX_INTERNAL_HEADER_BYTES,
  MAX_NESTING,
  MAX_PAYLOAD_BYTES,
} from "@bioxen/contracts";
import { areWithinLimits, headersIn } from "./headers.ts";
import type { Outgoing } from "./raw-client.ts";

/** `malformed`: refused before a handler runs, with BAD_REQUEST. `too large`: with TOO_LARGE. */
export type Verdict = "malformed" | "too large" | "well-formed";

export function verdictOn({ payload, headers }: Outgoing, { request, internal }: Endpoint): Verdict {
  if (payload.byteLength > MAX_PAYLOAD_BYTES) return "too large";
  const limit = internal ? MAX_INTERNAL_HEADER_BYTES : MAX_HEADER_BYTES;
  if (headers !== undefined && !areWithinLimits(headersIn(headers), limit)) return "malformed";
  const value = jsonIn(payload);
  if (value === undefined || depthOf(value) > MAX_NESTING) return "malformed";
  return request.safeParse(value).success ? "well-formed" : "malformed";
}

/** Returns the JSON of a payload, `{}` for an empty one; undefined when it is none. */
function jsonIn(payload: Uint8Array): unknown {
  if (payload.byteLength === 0) return {};
  if (!isUtf8(payload)) return undefined;
  try {
    // Like most JSON parsers of other languages, BioXen passes over a byte order mark.
    return JSON.parse(
      Buffer.from(payload)
        .toString("utf8")
        .replace(/^\ufeff/, ""),
    );
  } catch {
    return undefined;
  }
}

/** Returns the number of objects and arrays around the innermost value. Without recursion: 5 000 levels are tried. */
function depthOf(root: unknown): number {
  let depth = 0;
  let level: unknown[] = [root];
  for (;;) {
    const inner = level.filter((value) => typeof value === "object" && value !== null);
    if (inner.length === 0) return depth;
    depth += 1;
    level = inner.flatMap((value) => Object.values(value as object));
  }
}
