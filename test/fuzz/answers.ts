/**
 * Judges the answer to one request, and counts answers.
 */
import { ERRORS, type ErrorCode } from "@bioxen/contracts";
import type { Answer } from "./raw-client.ts";
import type { FuzzRequest, Kind } from "./requests.ts";

const STATUS_HEADER = /^Nats-Service-Error-Code: (\d+)\r$/m;

/** `ok`, a code of the error catalogue, or what arrived instead. */
export function codeOf(answer: Answer | undefined): string {
  if (answer === undefined) return "no answer";
  try {
    const reply = JSON.parse(answer.data.toString("utf8")) as { ok?: unknown; error?: { code?: unknown } };
    if (reply.ok === true) return "ok";
    const code = reply.ok === false ? reply.error?.code : undefined;
    return typeof code === "string" && Object.hasOwn(ERRORS, code) ? code : "no reply";
  } catch {
    return answer.headers.startsWith("NATS/1.0 503") ? "no responders" : "not JSON";
  }
}

/** Returns what is wrong with the answer; undefined when it is right. */
export function problemOfAnswer(request: FuzzRequest, answer: Answer | undefined): string | undefined {
  const code = codeOf(answer);
  const { expected, sharesId } = request;
  const because = (what: string) =>
    `request ${request.index} on ${request.subject} (${request.kind}, ${expected}) ${what}: ` +
    `${shortened(request.payload)} was answered with ${shortened(answer?.data ?? Buffer.alloc(0))}`;
  if (code !== "ok" && !Object.hasOwn(ERRORS, code)) return because(`got ${code}`);
  if (code === "INTERNAL") return because("is INTERNAL");
  const isOther = sharesId && code === "CONFLICT";
  if (expected === "malformed" && code !== "BAD_REQUEST" && !isOther) return because(`is ${code}`);
  if (expected === "too large" && code !== "TOO_LARGE") return because(`is ${code}`);
  const status = code === "ok" ? undefined : String(ERRORS[code as ErrorCode].status);
  const told = STATUS_HEADER.exec(answer?.headers ?? "")?.[1];
  return status === told ? undefined : because(`has the status ${told} in its headers`);
}

const SHOWN = 300;
function shortened(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes.subarray(0, SHOWN)).toString("latin1"));
}

/** Counts of a run. */
export class Counts {
  readonly byCode = new Map<string, number>();
  readonly byKind = new Map<Kind, number>();
  readonly bySubject = new Map<string, number>();
  sent = 0;
  /** Requests that validation refused: malformed or too large, and answered so. */
  judged = 0;
  dropped = 0;
  silent = 0;
  http = 0;
  largestAnswer = 0;

  request({ kind, expected, subject }: FuzzRequest): void {
    this.sent += 1;
    add(this.byKind, kind);
    add(this.bySubject, subject);
    if (expected === "dropped") this.dropped += 1;
    if (expected === "silent") this.silent += 1;
  }

  answer({ expected }: FuzzRequest, answer: Answer | undefined): void {
    const code = codeOf(answer);
    add(this.byCode, code);
    this.largestAnswer = Math.max(this.largestAnswer, answer?.data.byteLength ?? 0);
    const isRefused = code === "BAD_REQUEST" || code === "TOO_LARGE";
    if (isRefused && (expected === "malformed" || expected === "too large")) this.judged += 1;
  }
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export function countLine(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
