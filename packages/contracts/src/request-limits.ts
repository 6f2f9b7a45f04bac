/**
 * The limits of a request that apply without a schema: the size of its headers, the depth of its JSON, and the default
 * timeout of an `exec`. The first two also apply to durable commands.
 */

/** Timeout of an `exec` when the caller does not set a timeout, ms. */
export const DEFAULT_EXEC_TIMEOUT_MS = 5_000;
/**
 * Maximum length of each header that BioXen records, in bytes of printable ASCII. Message id, correlation, causation and
 * trace context become part of events, and an event is never deleted.
 */
export const MAX_HEADER_BYTES = 255;
/**
 * Maximum length of each recorded header in a request between services, in bytes. The causation in such a request
 * contains a subject and a client's message id, and is therefore longer than in a client's request.
 */
export const MAX_INTERNAL_HEADER_BYTES = 1_024;
/** Maximum number of headers of a request, including headers that BioXen ignores. Tracing systems add about five. */
export const MAX_HEADERS = 64;
/** Maximum size of all headers of a request together, bytes. It has room for W3C `tracestate` and `baggage`. */
export const MAX_HEADERS_BYTES = 16_384;
/**
 * Maximum depth of nested objects and arrays in a payload. The deepest schema has about ten levels; the further levels
 * are for `config` and for JSON values. Validation recurses, and overflows the stack at about 1 800 levels.
 */
export const MAX_NESTING = 64;

/** Maximum length of `tracestate`, bytes: the length that the W3C asks every participant to pass on. */
export const MAX_TRACESTATE_BYTES = 512;

/** W3C Trace Context, level 1: version, trace id, parent id and flags; later versions may add more after a `-`. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const FORBIDDEN_VERSION = "ff";
const FIRST_VERSION = "00";

/**
 * Returns true when `value` is a trace context by the W3C grammar. The standard says that a receiver ignores any other
 * value and begins a new trace.
 */
export function isTraceparent(value: string): boolean {
  const [, version, traceId = "", parentId = "", , more] = TRACEPARENT.exec(value) ?? [];
  if (version === undefined || version === FORBIDDEN_VERSION) return false;
  if (version === FIRST_VERSION && more !== undefined) return false;
  return !/^0+$/.test(traceId) && !/^0+$/.test(parentId);
}

/** One member of `tracestate`: a key, which may name a tenant before `@`, and a value of printable ASCII. */
const TRACESTATE_MEMBER =
  /^[a-z0-9][a-z0-9_\-*/]{0,255}(?:@[a-z][a-z0-9_\-*/]{0,13})?=[!-+\--<>-~ ]{0,255}[!-+\--<>-~]$/;

/**
 * Returns true when `value` is a `tracestate` by the W3C grammar, of at most {@link MAX_TRACESTATE_BYTES} bytes. A
 * receiver drops any other value and keeps the `traceparent`.
 */
export function isTracestate(value: string): boolean {
  if (value.length === 0 || value.length > MAX_TRACESTATE_BYTES) return false;
  return value.split(",").every((member) => TRACESTATE_MEMBER.test(member.trim()));
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ARRAY_BEGIN = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT_BEGIN = 0x7b;
const OBJECT_END = 0x7d;

/**
 * Returns true when the JSON text in `data` nests objects and arrays deeper than {@link MAX_NESTING}. Reads bytes only,
 * so that the answer is right for JSON and costs no memory; for other text the answer has no meaning.
 */
export function isTooDeep(data: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < data.length; i += 1) {
    const byte = data[i] as number;
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === ARRAY_BEGIN || byte === OBJECT_BEGIN) {
      depth += 1;
      if (depth > MAX_NESTING) return true;
    } else if (byte === ARRAY_END || byte === OBJECT_END) depth -= 1;
  }
  return false;
}
