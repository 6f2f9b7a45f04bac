/**
 * Waits for the reply to a request, among other messages on its reply subject.
 *
 * A stream whose subjects include the subject of a request stores the request and acknowledges it, usually before the
 * service replies. Its acknowledgement has the form `{stream, seq}`. A message without a boolean `ok` is therefore no
 * reply: the caller waits on. If no reply follows, the error describes the messages that arrived.
 */
import { Fault, type Reply } from "@bioxen/kernel";
import type { MsgHdrs, NatsConnection } from "@nats-io/nats-core";

const decoder = new TextDecoder();

/** What arrived on a reply subject. */
export type Received =
  | { readonly kind: "reply"; readonly reply: Reply }
  /** The acknowledgement of a stream, or its refusal to store the request. */
  | { readonly kind: "acknowledgement"; readonly stream: string }
  | { readonly kind: "malformed"; readonly why: string };

export interface RequestOptions {
  /** Longest wait for the reply, ms. */
  readonly timeoutMs: number;
  readonly headers: MsgHdrs;
}

/**
 * Sends a request and returns the first reply. Throws the client's error when the server reports one (no responders, no
 * permission). Throws `Fault` after `timeoutMs`: INTERNAL when a malformed message arrived, otherwise TIMEOUT. The
 * TIMEOUT names each stream that acknowledged the request.
 */
export async function replyTo(
  connection: NatsConnection,
  subject: string,
  bytes: Uint8Array,
  { timeoutMs, headers }: RequestOptions,
): Promise<Reply> {
  const streams = new Set<string>();
  let malformed: string | undefined;
  const answers = withoutStack(() => connection.requestMany(subject, bytes, { maxWait: timeoutMs, headers }));
  for await (const message of await answers) {
    const received = receivedFrom(message.data);
    if (received.kind === "reply") return received.reply;
    if (received.kind === "acknowledgement") streams.add(received.stream);
    else malformed = received.why;
  }
  if (malformed !== undefined) {
    throw new Fault("INTERNAL", `what arrived as the reply on ${subject} ${malformed}`, { retryable: false });
  }
  throw new Fault(
    "TIMEOUT",
    `no reply on ${subject} within ${timeoutMs} ms${acknowledgedBy(streams, subject)}`,
    {
      retryable: true,
      ...(streams.size === 0 ? {} : { details: { streams: [...streams] } }),
    },
  );
}

/** Runs `call` without stack traces: the client library collects one per request, for an error that rarely follows. */
function withoutStack<T>(call: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return call();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function acknowledgedBy(streams: ReadonlySet<string>, subject: string): string {
  if (streams.size === 0) return "";
  const names = [...streams].join(", ");
  return `: only stream ${names} acknowledged the request; remove ${subject} from its subjects`;
}

/** Classifies the bytes of a message on a reply subject. */
export function receivedFrom(bytes: Uint8Array): Received {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return { kind: "malformed", why: "is not JSON" };
  }
  if (typeof json !== "object" || json === null) return { kind: "malformed", why: "is not a JSON object" };
  const { ok, error, stream } = json as Readonly<Record<string, unknown>>;
  if (ok === true || (ok === false && isError(error))) return { kind: "reply", reply: json as Reply };
  if (ok === undefined && typeof stream === "string") return { kind: "acknowledgement", stream };
  return { kind: "malformed", why: ok === false ? "is a refusal without an error" : "has no boolean `ok`" };
}

function isError(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, message, retryable } = error as Readonly<Record<string, unknown>>;
  return typeof code === "string" && typeof message === "string" && typeof retryable === "boolean";
}
