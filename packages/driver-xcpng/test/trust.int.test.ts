/**
 * Which certificates are trusted, and the errors for all others: each within its deadline, each with a remedy.
 */

import { createFakeXapi, selfSigned } from "@bioxen/fake-xapi";
import { describe, expect, it } from "vitest";
import { XapiClient } from "../src/xapi/client.ts";
import { addressOfUrl } from "../src/xapi/transport.ts";
import { normalFingerprint, parsePins, type Trust } from "../src/xapi/trust.ts";
import { clientOf, thrownBy, withPool } from "./connect.ts";

const OTHER_PIN = "AB".repeat(32);
const DAY_MS = 86_400_000;

describe("trust", () => {
  it("the pinned certificate is trusted, and no other", async () => {
    await withPool(async (fake, client) => {
      expect(Object.values(await client.call("pool.get_all_records", []))[0]).toMatchObject({
        name_label: "fake",
      });
      const stranger = clientOf(fake, { trust: { kind: "pins", pins: parsePins(OTHER_PIN) } });
      for (let i = 0; i < 3; i += 1) {
        const error = await thrownBy(stranger.call("pool.get_all_records", []));
        expect(error.kind).toBe("trust");
        expect(error.message).toContain(fake.fingerprint);
        expect(error.message).toContain("If the certificate was renewed");
      }
      expect(fake.statistics.byMethod.get("session.login_with_password"), "no password was sent").toBe(1);
      await stranger.close();
    });
  });

  it("an expired certificate is rejected even if it is pinned, with the remedy", async () => {
    const notAfter = new Date(Date.now() - DAY_MS);
    const identity = selfSigned({ notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter });
    await withPool(
      async (_fake, client) => {
        const error = await thrownBy(client.call("pool.get_all_records", []));
        expect(error.kind).toBe("trust");
        expect(error.message).toMatch(/has expired: renew it on the host/);
      },
      { identity },
    );
  });

  it("a configured authority or `insecure` makes a self-signed certificate trusted, the system's authorities do not", async () => {
    const identity = selfSigned();
    await withPool(
      async (fake) => {
        const ask = async (trust: Trust) => {
          const client = clientOf(fake, { trust });
          try {
            return Object.keys(await client.call("pool.get_all_records", [])).length;
          } finally {
            await client.close();
          }
        };
        expect(await ask({ kind: "ca", pem: identity.certificate })).toBe(1);
        expect(await ask({ kind: "insecure" })).toBe(1);
        expect((await thrownBy(ask({ kind: "system" }))).message).toMatch(/configure its fingerprint/);
        const otherCa = selfSigned({ commonName: "elsewhere" }).certificate;
        expect((await thrownBy(ask({ kind: "ca", pem: otherCa }))).kind).toBe("trust");
      },
      { identity },
    );
  });

  it("a wrong password is reported, without the password itself", async () => {
    await withPool(async (fake) => {
      const password = "correct-horse-battery";
      const client = clientOf(fake, { credentials: async () => ({ username: "root", password }) });
      const error = await thrownBy(client.call("pool.get_all_records", []));
      expect(error.code).toBe("SESSION_AUTHENTICATION_FAILED");
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(password);
      await client.close();
    });
  });

  it("a silent server and a closed port are reported within the deadline", async () => {
    const fake = await createFakeXapi();
    const client = clientOf(fake, { callTimeoutMs: 300 });
    fake.faults.add({ kind: "slow", method: "pool.get_all_records", ms: 2_000 });
    const began = performance.now();
    expect((await thrownBy(client.call("pool.get_all_records", []))).kind).toBe("timeout");
    expect(performance.now() - began).toBeLessThan(1_500);
    await client.close();
    await fake.close();
    const late = clientOf(fake);
    expect((await thrownBy(late.call("pool.get_all_records", []))).kind).toBe("connection");
    await late.close();
  });
});

describe("configuration of trust", () => {
  it("fingerprints are accepted with and without colons; the error lists every problem", () => {
    expect(normalFingerprint("ab".repeat(32))).toBe(Array(32).fill("AB").join(":"));
    expect([...parsePins(`${OTHER_PIN},10.0.0.2=${OTHER_PIN}`).keys()]).toEqual(["*", "10.0.0.2"]);
    expect(() => parsePins("xyz,10.0.0.2=12")).toThrow(
      /"xyz" is not a SHA-256.*"10.0.0.2=12" is not a SHA-256/,
    );
    expect(() => parsePins("")).toThrow("the list of fingerprints is empty");
  });

  it("a URL without TLS or with a password is rejected", () => {
    expect(addressOfUrl("https://[::1]:8443")).toEqual({ host: "::1", port: 8_443 });
    expect(addressOfUrl("pool.example")).toEqual({ host: "pool.example", port: 443 });
    expect(() => addressOfUrl("http://pool.example")).toThrow("not https");
    expect(() => addressOfUrl("https://root:x@pool.example")).toThrow("credentials");
  });

  it("a redirected client continues at the master only if it trusts the master", async () => {
    await withPool(async (fake) => {
      const member = await fake.addMember("127.0.0.2", "127.0.0.1");
      const credentials = async () => ({ username: fake.username, password: fake.password });
      const at = (pins: string) =>
        new XapiClient({
          url: `https://127.0.0.2:${fake.port}`,
          credentials,
          trust: { kind: "pins", pins: parsePins(pins) },
          originator: "bioxen/test",
        });
      const without = at(member.fingerprint);
      const error = await thrownBy(without.call("pool.get_all_records", []));
      expect(error.message).toMatch(/host 127\.0\.0\.1 of the pool: add 127\.0\.0\.1=SHA256/);
      await without.close();
      const both = at(`${member.fingerprint},127.0.0.1=${fake.fingerprint}`);
      expect(Object.keys(await both.call("host.get_all_records", []))).toHaveLength(2);
      expect(both.host).toBe("127.0.0.1");
      await both.close();
      expect(fake.counts().sessions).toBe(0);
    });
  });

  it("a client stops after a few redirects when members name each other as master", async () => {
    await withPool(async (fake) => {
      const member = await fake.addMember("127.0.0.3", "127.0.0.3");
      const client = clientOf(fake, {
        url: `https://127.0.0.3:${fake.port}`,
        trust: { kind: "pins", pins: parsePins(member.fingerprint) },
      });
      expect((await thrownBy(client.call("pool.get_all_records", []))).message).toMatch(
        /no master found after 3 redirects/,
      );
      await client.close();
    });
  });
});
