import { hash } from "node:crypto";

/** Returns the SHA-256 digest of `bytes` as 64 hexadecimal digits, computed by Node's native code. */
export function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}
