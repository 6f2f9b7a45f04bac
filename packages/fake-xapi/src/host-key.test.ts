/**
 * The host key of the fake's SSH servers.
 */
import ssh2 from "ssh2";
import { expect, it } from "vitest";
import { newHostKey } from "./guest-ssh.ts";

const { generateKeyPairSync, parseKey } = ssh2.utils;

it("replaces a generated key that ssh2 cannot read", () => {
  const readable = generateKeyPairSync("ed25519").private;
  const generated = ["malformed", readable];
  const scripted = (() => ({ private: generated.shift() ?? "", public: "" })) as typeof generateKeyPairSync;
  expect(newHostKey({ generateKeyPairSync: scripted, parseKey: readsOnly(readable) })).toBe(readable);
});

it("ends with an error when no generated key is readable", () => {
  const scripted = (() => ({ private: "malformed", public: "" })) as typeof generateKeyPairSync;
  expect(() => newHostKey({ generateKeyPairSync: scripted, parseKey })).toThrow(/unreadable host keys/);
});

/** Returns a key reader that accepts only this key. */
function readsOnly(readable: string): typeof parseKey {
  return ((key: string) => (key === readable ? {} : new Error("malformed"))) as typeof parseKey;
}
