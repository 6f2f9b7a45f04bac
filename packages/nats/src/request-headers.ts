/**
 * Reads the headers of a request, within limits.
 *
 * The client library's own decoder throws on a control character in any header, and does not limit sizes. What BioXen
 * records in events must be short and printable, because an event is never deleted.
 */
import {
  isTraceparent,
  isTracestate,
  MAX_HEADER_BYTES,
  MAX_HEADERS,
  MAX_HEADERS_BYTES,
  type Problem,
} from "@bioxen/contracts";
import { messageOf } from "@bioxen/kernel";
import type { Msg, MsgHdrs } from "@nats-io/nats-core";
import {
  CAUSATION_HEADER,
  CORRELATION_HEADER,
  MESSAGE_ID_HEADER,
  PRINCIPAL_HEADER,
  TRACE_HEADER,
  TRACESTATE_HEADER,
} from "./bus.ts";

/** The headers that BioXen reads; an absent or empty header is undefined. */
export interface RequestHeaders {
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  /** A trace context by the W3C grammar; any other value of the header is ignored. */
  readonly traceparent: string | undefined;
  /** The account from which the request crossed into that of this service, as the server says. */
  readonly account?: string | undefined;
  /** The principal for which the calling service acts. Only callers.ts decides whether to believe it. */
  readonly servedPrincipal?: string | undefined;
  /** The vendors' part of the trace context; undefined without a valid `traceparent`. */
  readonly tracestate?: string | undefined;
  /** The valid headers among {@link FOREIGN_TRACE_HEADERS}, by name; absent when there is none. */
  readonly traceHeaders?: Readonly<Record<string, string>> | undefined;
}

/**
 * The header in which the server says from which account a request comes. The server replaces what the caller has written
 * under this exact name; under another spelling it stays.
 */
const REQUEST_INFO_HEADER = "Nats-Request-Info";

/** The headers of other formats of a trace context: W3C baggage, and B3 as one header or as several. */
const FOREIGN_TRACE_HEADERS = [
  "baggage",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
];
/** Maximum length of one header of another trace format, bytes. A longer one is ignored. */
const MAX_FOREIGN_TRACE_BYTES = 1_024;

export type ReadHeaders =
  | { readonly ok: true; readonly headers: RequestHeaders }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Name and value of one header, as characters of one byte each. */
export type HeaderField = readonly [name: string, value: string];

/** The headers of a request without headers, or with headers that are refused. */
export const NO_REQUEST_HEADERS: RequestHeaders = {
  messageId: undefined,
  correlationId: undefined,
  causationId: undefined,
  traceparent: undefined,
};
const NO_HEADERS: ReadHeaders = { ok: true, headers: NO_REQUEST_HEADERS };
const PRINTABLE = /^[ -~]*$/;
const RECORDED = [MESSAGE_ID_HEADER, CORRELATION_HEADER, CAUSATION_HEADER, PRINCIPAL_HEADER, TRACE_HEADER];
const FIELD_OVERHEAD_BYTES = ": \r\n".length;
const latin1 = new TextDecoder("latin1");

/**
 * Checks header fields against the limits of the contract. For valid fields, returns the headers that BioXen reads; of
 * several fields with one name, the first counts. Otherwise returns every problem, with the header's name as its path.
 * `limit` is the maximum size of the value of a header that BioXen reads, bytes.
 */
export function checkedHeaders(fields: readonly HeaderField[], limit = MAX_HEADER_BYTES): ReadHeaders {
  if (fields.length === 0) return NO_HEADERS;
  const first = new Map<string, string>();
  const trace = new TraceFields();
  const infos: string[] = [];
  const problems: Problem[] = [];
  let bytes = 0;
  for (const [name, value] of fields) {
    bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    trace.add(name, value);
    if (name === REQUEST_INFO_HEADER) infos.push(value);
    if (!RECORDED.includes(name) || first.has(name)) continue;
    first.set(name, value);
    if (value.length > limit) {
      const message = `has ${value.length} bytes, the limit is ${limit}: send a shorter one`;
      problems.push({ path: name, message });
    } else if (!PRINTABLE.test(value)) {
      problems.push({ path: name, message: "must be printable ASCII, without control characters" });
    }
  }
  if (fields.length > MAX_HEADERS) {
    const message = `are ${fields.length}, the limit is ${MAX_HEADERS}: send fewer`;
    problems.push({ path: "headers", message });
  }
  if (bytes > MAX_HEADERS_BYTES) {
    const message = `have ${bytes} bytes together, the limit is ${MAX_HEADERS_BYTES}: send less`;
    problems.push({ path: "headers", message });
  }
  if (problems.length > 0) return { ok: false, problems };
  const traceparent = first.get(TRACE_HEADER);
  return {
    ok: true,
    headers: {
      messageId: first.get(MESSAGE_ID_HEADER) || undefined,
      correlationId: first.get(CORRELATION_HEADER) || undefined,
      causationId: first.get(CAUSATION_HEADER) || undefined,
      servedPrincipal: first.get(PRINCIPAL_HEADER) || undefined,
      ...accountIn(infos),
      ...trace.read(traceparent !== undefined && isTraceparent(traceparent) ? traceparent : undefined),
    },
  };
}

/**
 * Returns the account that the server names. The server writes the header once, so of several headers at least one is of
 * the caller, and none is believed.
 */
function accountIn(infos: readonly string[]): Pick<RequestHeaders, "account"> {
  const [info, ...others] = infos;
  if (info === undefined || others.length > 0) return {};
  try {
    const { acc } = JSON.parse(info) as { readonly acc?: unknown };
    return typeof acc === "string" ? { account: acc } : {};
  } catch {
    return {};
  }
}

/** Collects the headers of a trace context. Values beyond the limits are ignored: a trace fails no request. */
class TraceFields {
  #tracestate: string | undefined;
  #others: Record<string, string> | undefined;

  add(name: string, value: string): void {
    if (name === TRACESTATE_HEADER) this.#tracestate ??= value;
    else if (FOREIGN_TRACE_HEADERS.includes(name)) {
      if (value.length <= MAX_FOREIGN_TRACE_BYTES && PRINTABLE.test(value)) {
        this.#others = { [name]: value, ...this.#others };
      }
    }
  }

  read(traceparent: string | undefined): Pick<RequestHeaders, "traceparent" | "tracestate" | "traceHeaders"> {
    const tracestate = this.#tracestate;
    const isPassed = traceparent !== undefined && tracestate !== undefined && isTracestate(tracestate);
    return {
      traceparent,
      ...(isPassed ? { tracestate } : {}),
      ...(this.#others === undefined ? {} : { traceHeaders: this.#others }),
    };
  }
}

/** Parses the block of headers of a message: a version line, then one `name: value` per line. */
export function fieldsOf(block: Uint8Array): HeaderField[] {
  const fields: HeaderField[] = [];
  for (const line of latin1.decode(block).split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return fields;
}

/** The part of the client's message from which the undecoded headers can be read. */
interface UndecodedMsg {
  readonly _msg?: { readonly hdr?: number };
  readonly _rdata?: Uint8Array;
}

/**
 * Reads and checks the headers of a received message; never throws. `limit` is the maximum size of the value of a
 * header that BioXen reads, bytes.
 */
export function headersOf(message: Msg, limit: number): ReadHeaders {
  const { _msg, _rdata } = message as UndecodedMsg;
  if (_rdata !== undefined && _msg?.hdr !== undefined) {
    return _msg.hdr > 0 ? checkedHeaders(fieldsOf(_rdata.subarray(0, _msg.hdr)), limit) : NO_HEADERS;
  }
  const { fields, problem } = decodedFields(() => message.headers);
  return problem === undefined ? checkedHeaders(fields, limit) : { ok: false, problems: [problem] };
}

export interface DecodedFields {
  readonly decoded: MsgHdrs | undefined;
  readonly fields: readonly HeaderField[];
  /** The reason why the client library cannot decode the headers; undefined when it can. */
  readonly problem?: Problem;
}

/** Returns the fields of headers that the client library decodes. Never throws. */
export function decodedFields(decode: () => MsgHdrs | undefined): DecodedFields {
  try {
    const decoded = decode();
    const names = decoded?.keys() ?? [];
    const fields = names.flatMap((name) =>
      (decoded?.values(name) ?? []).map((value): HeaderField => [name, value]),
    );
    return { decoded, fields };
  } catch (cause) {
    const problem = { path: "headers", message: `cannot be read: ${messageOf(cause)}` };
    return { decoded: undefined, fields: [], problem };
  }
}

/**
 * Returns the fields that a later message may repeat. Leaves out fields beyond the limits, and invalid values of the
 * headers that BioXen reads.
 */
export function withinLimits(fields: readonly HeaderField[]): HeaderField[] {
  const kept: HeaderField[] = [];
  let bytes = 0;
  for (const field of fields) {
    const [name, value] = field;
    if (RECORDED.includes(name) && (value.length > MAX_HEADER_BYTES || !PRINTABLE.test(value))) continue;
    bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (kept.length === MAX_HEADERS || bytes > MAX_HEADERS_BYTES) break;
    kept.push(field);
  }
  return kept;
}
