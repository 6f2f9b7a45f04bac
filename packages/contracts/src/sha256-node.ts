import { hash } from "node:crypto";

/** SHA-256 of `bytes`, 64 hexadecimal digits, by Node's native code. */
export function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}
