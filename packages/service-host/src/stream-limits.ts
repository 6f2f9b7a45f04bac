/**
 * The setting BIOXEN_STREAM_MAX_BYTES: largest sizes of streams, for accounts that require them.
 */
import { STREAM_NAMES } from "@bioxen/nats";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const SIZE = /^(\d{1,15})([KMGT]?)B?$/i;

/**
 * Parses `10G` (every stream), or `BIOXEN_EVENTS=100G,*=1G` (by name; `*` is every other stream). Sizes are in bytes,
 * or in powers of 1 024 with K, M, G or T. Returns the sizes in bytes by name, or the problem in words.
 */
export function parseStreamLimits(
  text: string,
): { readonly maxBytes: Readonly<Record<string, number>> } | { readonly problem: string } {
  const maxBytes: Record<string, number> = {};
  for (const part of text.split(",").map((piece) => piece.trim())) {
    const [name = "", size = ""] = part.includes("=") ? part.split("=") : ["*", part];
    if (name !== "*" && !STREAM_NAMES.includes(name)) {
      return { problem: `${name} is no stream of BioXen: use one of ${STREAM_NAMES.join(", ")}, or *` };
    }
    const [, digits = "", unit = ""] = SIZE.exec(size) ?? [];
    const bytes = Number(digits) * (UNITS[unit.toUpperCase()] ?? 0);
    if (!(bytes > 0 && Number.isSafeInteger(bytes))) {
      return { problem: `${JSON.stringify(size)} is no size: use bytes, or a number with K, M, G or T` };
    }
    maxBytes[name] = bytes;
  }
  return { maxBytes };
}
