/**
 * Calls to the gateway. A command is a POST, a query a GET; both have the JSON of the NATS protocol.
 *
 * A refusal is thrown as {@link ApiError} with the code of the error catalogue. A gateway that cannot be reached, or
 * whose answer is no JSON, is the error UNAVAILABLE, so that callers handle one kind of error.
 */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor({ code, message, retryable = false, details = {} }: ErrorBody, status: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
    this.retryable = retryable;
  }

  /** Every problem of a malformed request as a line; empty for another error. */
  get problems(): readonly { path: string; message: string }[] {
    const { problems } = this.details;
    return Array.isArray(problems) ? (problems as { path: string; message: string }[]) : [];
  }
}

/** Root of the API, relative to the page: a proxy may serve the console below a path. */
export const API = new URL("api/v1/", document.baseURI.split("#")[0]).pathname;

/** Longest wait for an answer, ms: longer than the slowest service needs to refuse (8 s), shorter than patience. */
const CALL_TIMEOUT_MS = 30_000;
/** Header without which the gateway refuses a command: a foreign page cannot set it. */
const OWN_HEADER = { "x-bioxen": "1" };

export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  const signal = init.signal ?? AbortSignal.timeout(CALL_TIMEOUT_MS);
  const response = await fetch(API + path, { credentials: "same-origin", ...init, signal }).catch((cause) => {
    throw new ApiError({ code: "UNAVAILABLE", message: `the gateway does not answer: ${textOf(cause)}` }, 0);
  });
  const body = (await response.json().catch(() => undefined)) as
    | { ok?: boolean; error?: ErrorBody }
    | undefined;
  if (response.ok && body !== undefined && body.ok !== false) return body as T;
  const message = `the gateway answered ${response.status} without an explanation`;
  throw new ApiError(body?.error ?? { code: "UNAVAILABLE", message }, response.status);
}

function textOf(cause: unknown): string {
  if (cause instanceof DOMException && cause.name === "TimeoutError") return "no answer in 30 s";
  return cause instanceof Error ? cause.message : String(cause);
}

/** Sends a command, such as `command("vm", "start", {vmId})`. */
export function command<T = { changed: boolean }>(
  aggregate: string,
  verb: string,
  payload: object,
): Promise<T> {
  return request<T>(`${aggregate}/${verb}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...OWN_HEADER },
    body: JSON.stringify(payload),
  });
}

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export function queryText(fields: Fields): string {
  const named = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, String(value)] as [string, string]],
  );
  return named.length === 0 ? "" : `?${new URLSearchParams(named)}`;
}

/** Asks a query, such as `query("vm", "get", {vmId})`. */
export function query<T>(aggregate: string, name: string, fields: Fields = {}): Promise<T> {
  return patiently(() => request<T>(`${aggregate}/${name}${queryText(fields)}`));
}

/** Asks a query whose request has nested values. */
export function queryWith<T>(aggregate: string, name: string, payload: object): Promise<T> {
  const path = `${aggregate}/${name}?payload=${encodeURIComponent(JSON.stringify(payload))}`;
  return patiently(() => request<T>(path));
}

/** How often a query is asked whose service is full: one page of a long listing must not fail all of it. */
const ATTEMPTS = 4;
/** Wait before the next attempt, ms, when the answer names none. */
const RETRY_MS = 500;

async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (thrown) {
      // Without any status the gateway is away: its absence is shown at once.
      const mayRetry = thrown instanceof ApiError && thrown.retryable && thrown.status !== 0;
      if (!mayRetry || attempt === ATTEMPTS) throw thrown;
      const wait = Number(thrown.details["retryAfterMs"] ?? RETRY_MS) * attempt;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Follows the cursor of a listing; returns the items of all pages under `list`, and hands over each page as it comes. */
export async function all<T>(
  aggregate: string,
  name: string,
  list: string,
  fields: Fields = {},
  onPage: (items: readonly T[]) => void = () => undefined,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await query<Record<string, unknown>>(aggregate, name, { ...fields, cursor });
    const some = (page[list] as T[] | undefined) ?? [];
    items.push(...some);
    onPage(some);
    cursor = (page["cursor"] as string | null | undefined) ?? undefined;
  } while (cursor !== undefined);
  return items;
}
