import type { PrincipalRole } from "@bioxen/contracts";
import { beforeEach, describe, expect, it } from "vitest";
import { Callers, digestOf, type Grant, type KnownPrincipal, type Principals } from "./callers.ts";
import { HttpError } from "./http-error.ts";

const HOUR_MS = 3_600_000;

/** The principals of a test, as they are at present. */
class Present implements Principals {
  readonly known = new Map<string, KnownPrincipal>();
  readonly tokens = new Map<string, Grant>();
  readonly codes = new Map<string, Grant>();

  find = (name: string) => this.known.get(name);
  tokenOf = (digest: string) => this.tokens.get(digest);
  async takeCode(digest: string) {
    const grant = this.codes.get(digest);
    this.codes.delete(digest);
    return grant;
  }
}

let nowMs: number;
let present: Present;
let callers: Callers;
beforeEach(() => {
  nowMs = 1_000_000;
  present = new Present();
  callers = new Callers(present, () => nowMs);
  for (const [name, role] of Object.entries({ alice: "tenant", otto: "observer" }))
    present.known.set(name, { role: role as PrincipalRole, publicKey: `key of ${name}` });
});

const grant = (name: string, lifeMs: number): Grant => ({
  name,
  publicKey: `key of ${name}`,
  expiresAtMs: nowMs + lifeMs,
});
const byToken = (token: string) => callers.callerOf(`Bearer ${token}`, undefined);
const bySession = (id: string) => callers.callerOf(undefined, id);
const logIn = (name: string) => {
  present.codes.set(digestOf(`code of ${name}`), grant(name, 60_000));
  return callers.logIn(`code of ${name}`);
};
const refusal = expect.objectContaining({ status: 401 });

describe("a token", () => {
  beforeEach(() => present.tokens.set(digestOf("secret"), grant("alice", HOUR_MS)));

  it("holds until the moment of its expiry, and a stream that began with it no longer", () => {
    nowMs += HOUR_MS - 1;
    const caller = byToken("secret");
    expect(caller).toMatchObject({ identity: { role: "tenant", name: "alice" }, by: "token" });
    expect(caller.isAllowed()).toBe(true);
    nowMs += 1;
    expect(caller.isAllowed()).toBe(false);
    expect(() => byToken("secret")).toThrow(HttpError);
  });

  it("ends when it is removed, and when its principal gets another key or is gone", () => {
    const caller = byToken("secret");
    present.known.set("alice", { role: "tenant", publicKey: "new key" });
    expect(caller.isAllowed()).toBe(false);
    expect(() => byToken("secret")).toThrow(HttpError);
    present.known.set("alice", { role: "tenant", publicKey: "key of alice" });
    expect(caller.isAllowed()).toBe(true);
    present.tokens.clear();
    expect(caller.isAllowed()).toBe(false);
    present.tokens.set(digestOf("secret"), grant("alice", HOUR_MS));
    present.known.delete("alice");
    expect(caller.isAllowed()).toBe(false);
  });

  it("is not found by its digest, nor by anything near it", () => {
    for (const near of [digestOf("secret"), "Secret", "secret x", "secre", ""])
      expect(() => byToken(near), near).toThrow(HttpError);
  });

  it("is taken before a session: a wrong one is not covered by a right cookie", async () => {
    const id = await logIn("otto");
    expect(() => callers.callerOf("Bearer wrong", id)).toThrow(HttpError);
    expect(callers.callerOf("Bearer secret", id).identity.name).toBe("alice");
  });
});

describe("a one-time code", () => {
  it("expires, and works once", async () => {
    present.codes.set(digestOf("late"), grant("alice", 60_000));
    nowMs += 60_000;
    await expect(callers.logIn("late")).rejects.toEqual(refusal);
    await logIn("alice");
    await expect(callers.logIn("code of alice")).rejects.toEqual(refusal);
  });

  it("ends with the key that its principal had", async () => {
    present.codes.set(digestOf("code"), grant("alice", 60_000));
    present.known.set("alice", { role: "tenant", publicKey: "new key" });
    await expect(callers.logIn("code")).rejects.toEqual(refusal);
  });
});

describe("a session", () => {
  it("goes on with each request, and ends after 12 hours without one", async () => {
    const id = await logIn("alice");
    for (let i = 0; i < 4; i += 1) {
      nowMs += 12 * HOUR_MS - 1;
      expect(bySession(id).identity.name).toBe("alice");
    }
    const stream = bySession(id);
    nowMs += 12 * HOUR_MS;
    expect(stream.isAllowed()).toBe(false);
    expect(() => bySession(id)).toThrow(HttpError);
    nowMs -= 1;
    expect(() => bySession(id), "an ended session does not come back").toThrow(HttpError);
  });

  it("ends by logging out, and then its streams too", async () => {
    const [id, other] = [await logIn("alice"), await logIn("otto")];
    const [stream, otherStream] = [bySession(id), bySession(other)];
    callers.logOut(id);
    expect([stream.isAllowed(), otherStream.isAllowed()]).toEqual([false, true]);
    expect(() => bySession(id)).toThrow(HttpError);
  });

  it("ends with the key of its principal, and does not become that of a principal with the same name", async () => {
    const id = await logIn("alice");
    present.known.set("alice", { role: "admin", publicKey: "key of another alice" });
    expect(() => bySession(id)).toThrow(HttpError);
  });

  it("has an id of its own for each log in, which the code does not give away", async () => {
    const ids = [await logIn("alice"), await logIn("alice")];
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(Buffer.from(id, "base64url")).toHaveLength(32);
  });

  it("is the oldest that ends when there are too many", async () => {
    const first = await logIn("alice");
    const second = await logIn("alice");
    bySession(first);
    for (let i = 0; i < 1_023; i += 1) await logIn("otto");
    expect(() => bySession(second)).toThrow(HttpError);
    expect(bySession(first).identity.name).toBe("alice");
  });
});
