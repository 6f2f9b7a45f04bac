/**
 * HTTP requests to the monitoring port of a service: right ones, wrong ones, slow ones and half ones, as bytes.
 */
import type { Random } from "./random.ts";

export interface HttpRequest {
  /** The bytes in the pieces in which they are sent. */
  readonly pieces: readonly Buffer[];
  /** Number of requests in the bytes: two with pipelining. */
  readonly count: number;
  /** The statuses that are right; 0 stands for a connection that ends without an answer. */
  readonly statuses: readonly number[];
}

const PATHS = ["/live", "/ready", "/metrics", "/metrics/vms"];
/** `/metrics/vms` is 404 in services without VMs, and `/ready` is 503 while a service is not ready. */
const OF_PATH: Readonly<Record<string, readonly number[]>> = {
  "/metrics/vms": [200, 404],
  "/ready": [200, 503],
};
const OTHER_PATHS = [
  "/",
  "//",
  "/LIVE",
  "/live/",
  "/metrics/../live",
  "/%6cive",
  "/%",
  "/%00",
  "/live%0d%0aX: 1",
  "/../../etc/passwd",
  "/__proto__",
  "*",
  `/${"x".repeat(8_000)}`,
];
const QUERIES = ["", "?", "?a=1", "?a=%ff&a", `?${"q".repeat(4_000)}`];
const WRONG_METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "CONNECT"];
const NO_METHODS = ["FOO", "get", "GE T", "\0", ""];
const BAD_HEADERS = [
  "Content-Length: x",
  "Content-Length: -1",
  "Content-Length: 1\r\nContent-Length: 2",
  "Content-Length: 1\r\nTransfer-Encoding: chunked",
  "X\0: 1",
  "X: \0",
  "no colon",
  ": no name",
  " X: folded",
];
/** Node.js accepts at most 16 KiB of headers. */
const TOO_LARGE = 20_000;
const NOT_HTTP = [
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01]),
  Buffer.from("\0\0\0\0\r\n\r\n"),
  Buffer.from("INFO {}\r\n"),
  Buffer.from("GET /live HTTP/9.9\r\n\r\n"),
];

function requestText(method: string, target: string, headers: readonly string[] = []): string {
  return `${[`${method} ${target} HTTP/1.1`, "Host: fuzz", "Connection: close", ...headers].join("\r\n")}\r\n\r\n`;
}

const whole = (text: string, statuses: readonly number[], count = 1): HttpRequest => ({
  pieces: [Buffer.from(text, "latin1")],
  count,
  statuses,
});

/** Returns one HTTP request. */
export function httpRequestOf(random: Random): HttpRequest {
  const path = random.pick(PATHS);
  const right = OF_PATH[path] ?? [200];
  const method = random.pick(["GET", "HEAD"]);
  switch (
    random.pick([
      "right",
      "path",
      "method",
      "no method",
      "header",
      "large",
      "odd",
      "no http",
      "slow",
      "half",
      "two",
    ] as const)
  ) {
    case "right":
      return whole(requestText(method, path + random.pick(QUERIES)), right);
    case "path":
      // A path with a line end is a request line with something after it.
      return whole(requestText(method, random.pick(OTHER_PATHS)), [404, 400]);
    case "method":
      return whole(requestText(random.pick(WRONG_METHODS), path), [405]);
    case "no method":
      return whole(requestText(random.pick(NO_METHODS), path), [400]);
    case "header":
      return whole(requestText("GET", path, [random.pick(BAD_HEADERS)]), [400]);
    case "large":
      return whole(requestText("GET", path, [`X-Large: ${"x".repeat(TOO_LARGE)}`]), [431]);
    case "odd":
      return oddRequest(random, path, right);
    case "no http":
      return { pieces: [random.pick(NOT_HTTP)], count: 1, statuses: [400, 0] };
    case "slow":
      return { pieces: inPieces(random, Buffer.from(requestText(method, path))), count: 1, statuses: right };
    case "half": {
      const bytes = Buffer.from(requestText(method, path));
      return {
        pieces: [bytes.subarray(0, random.between(0, bytes.length - 3))],
        count: 1,
        statuses: [400, 0],
      };
    }
    case "two": {
      const first = `GET ${path} HTTP/1.1\r\nHost: fuzz\r\n\r\n`;
      return whole(first + requestText("GET", path), right, 2);
    }
  }
}

function oddRequest(random: Random, path: string, right: readonly number[]): HttpRequest {
  return random.pick([
    () => whole(`GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`, [400]),
    () => whole(`GET ${path} HTTP/1.0\r\n\r\n`, right),
    () => whole(`${requestText("GET", path, ["Content-Length: 3"])}abc`, right),
    () => whole(requestText("GET", path, ["Upgrade: websocket"]), right),
    () => whole(requestText("GET", path, ["Expect: 100-continue"]), [100, ...right]),
    () => whole(requestText("GET", path, ["Expect: nothing"]), [417]),
    () =>
      whole(
        requestText(
          "GET",
          path,
          Array.from({ length: 500 }, (_, i) => `X-${i}: 1`),
        ),
        right,
      ),
  ])();
}

function inPieces(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.between(1, 24);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
