/**
 * Blocks of headers: as a client sends them, and wrong ones.
 */
import { MAX_HEADERS, MAX_HEADERS_BYTES } from "@bioxen/contracts";
import type { Random } from "./random.ts";

export const MESSAGE_ID = "Nats-Msg-Id";
export const CORRELATION_ID = "Bioxen-Correlation-Id";
const CAUSATION_ID = "Bioxen-Causation-Id";
const TRACEPARENT = "traceparent";
const READ = [MESSAGE_ID, CORRELATION_ID, CAUSATION_ID, TRACEPARENT];

const VERSION_LINE = "NATS/1.0";
/** Lengths around the limits of clients (255) and of services (1 024), and of all headers (16 384). */
const LENGTHS = [255, 256, 1_023, 1_024, 1_025, 16_000, 17_000];
const VALUES = ["\u0001", "a\tb", "a\u007f", "\u00e4", "\u00ff\u00fe", "a\nb", "\u0000"];
const TRACES = [
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
  "00",
  "",
];

/** Name and value of one header, as characters of one byte each. */
export type Header = readonly [name: string, value: string];

/** Returns the bytes of a block of headers. */
export function blockOf(headers: readonly Header[], versionLine = VERSION_LINE): Uint8Array {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(`${versionLine}\r\n${lines}\r\n`, "latin1");
}

/** Returns a wrong or unusual block of headers that keeps the correlation id where it can. */
export function wrongHeaders(random: Random, correlation: Header): Uint8Array {
  const name = random.pick(READ);
  switch (
    random.pick(["long", "unprintable", "many", "large", "trace", "twice", "odd", "version"] as const)
  ) {
    case "long":
      return blockOf([correlation, [name, "x".repeat(random.pick(LENGTHS))]]);
    case "unprintable":
      return blockOf([[name, random.pick(VALUES)], correlation]);
    case "many": {
      const count = MAX_HEADERS + random.between(-2, 2);
      return blockOf([correlation, ...Array.from({ length: count }, (_, i): Header => [`X-${i}`, "1"])]);
    }
    case "large":
      return blockOf([correlation, ["X-Large", "x".repeat(MAX_HEADERS_BYTES + random.between(-120, 10))]]);
    case "trace":
      return blockOf([correlation, [TRACEPARENT, random.pick(TRACES)]]);
    case "twice":
      return blockOf([correlation, [CAUSATION_ID, "fz-first"], [CAUSATION_ID, random.pick(VALUES)]]);
    case "odd":
      return Buffer.from(
        `${VERSION_LINE}\r\nno colon\r\n: no name\r\n${correlation.join(": ")}\r\n\r\n`,
        "latin1",
      );
    case "version":
      return blockOf([correlation], random.pick(["NATS/1.0 503", "NATS/9.9", "HTTP/1.1", ""]));
  }
}

/** Returns the fields of a block: the lines after the first with a name before a colon, spaces around the value left out. */
export function headersIn(block: Uint8Array): Header[] {
  const lines = Buffer.from(block).toString("latin1").split("\r\n").slice(1);
  return lines.flatMap((line): Header[] => {
    const colon = line.indexOf(":");
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1).trim()]] : [];
  });
}

/** Returns true when the first header of each name that BioXen reads has at most `limit` printable ASCII characters. */
export function areWithinLimits(headers: readonly Header[], limit: number): boolean {
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length + ": \r\n".length, 0);
  if (headers.length > MAX_HEADERS || bytes > MAX_HEADERS_BYTES) return false;
  return READ.every((name) => {
    const value = headers.find(([one]) => one === name)?.[1] ?? "";
    return value.length <= limit && /^[\x20-\x7e]*$/.test(value);
  });
}
