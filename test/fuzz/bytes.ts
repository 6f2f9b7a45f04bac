/**
 * Payloads that are wrong as bytes: not JSON, not UTF-8, cut, joined, or as large as the limit.
 */
import { MAX_PAYLOAD_BYTES } from "@bioxen/contracts";
import type { Random } from "./random.ts";

/** Sequences that UTF-8 forbids: a lone continuation, an overlong slash, a surrogate, a code point above U+10FFFF. */
const NOT_UTF8 = [[0x80], [0xff, 0xfe], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc3]];
const NOT_JSON = [
  "",
  " ",
  "{",
  "}",
  "[]",
  "null",
  "true",
  "1",
  '"text"',
  "{'a':1}",
  "{a:1}",
  "NaN",
  "<xml/>",
  "\0",
  "---\n- a",
];
/** Sizes around the limit of 512 KiB. A message of 1 MiB with its headers is still within the server's own limit. */
const SIZES = [
  MAX_PAYLOAD_BYTES - 1,
  MAX_PAYLOAD_BYTES,
  MAX_PAYLOAD_BYTES + 1,
  MAX_PAYLOAD_BYTES * 2 - 65_536,
];

/** Returns bytes made of `text`, the JSON of a request. */
export function wrongBytes(random: Random, text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const at = random.between(0, Math.max(0, bytes.length - 1));
  switch (random.pick(["cut", "flip", "utf8", "not json", "joined", "bom", "utf16", "junk"] as const)) {
    case "cut":
      return bytes.subarray(0, at);
    case "flip": {
      const flipped = Buffer.from(bytes);
      if (flipped.length > 0) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.between(0, 7));
      return flipped;
    }
    case "utf8":
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(NOT_UTF8)), bytes.subarray(at)]);
    case "not json":
      return Buffer.from(random.pick(NOT_JSON));
    case "joined":
      return Buffer.concat([bytes, Buffer.from(random.pick([",", "\n", "x", "\0"])), bytes]);
    case "bom":
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    case "utf16":
      return Buffer.from(text, "utf16le");
    case "junk":
      return Buffer.from(Array.from({ length: random.between(1, 64) }, () => random.between(0, 255)));
  }
}

/** Returns `text`, padded with spaces to a size around the limit of a payload. */
export function large(random: Random, text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const size = Math.max(bytes.length, random.pick(SIZES));
  return Buffer.concat([bytes, Buffer.alloc(size - bytes.length, " ")]);
}
