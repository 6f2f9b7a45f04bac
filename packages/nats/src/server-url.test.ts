/**
 * URLs with logins: what the client dials, who logs in, and what may be shown.
 */
import { describe, expect, it } from "vitest";
import { hasLogin, parseServers, shownServers } from "./server-url.ts";

const one = (text: string) => parseServers(text).addresses[0];

describe("a URL", () => {
  it.each([
    ["nats://alice:secret@a:4222", { kind: "password", user: "alice", password: "secret" }],
    ["nats://t0ken@a:4222", { kind: "token", token: "t0ken" }],
    ["alice:secret@a:4222", { kind: "password", user: "alice", password: "secret" }],
    ["nats://alice:@a:4222", { kind: "password", user: "alice", password: "" }],
    ["nats://al%40ce:p%3A%2F%2C%25@a:4222", { kind: "password", user: "al@ce", password: "p:/,%" }],
    // Characters that should have been escaped, and a password that looks like a port.
    ["nats://alice:4223@a:4222", { kind: "password", user: "alice", password: "4223" }],
    ["nats://alice:a@b/c?d#e@a:4222", { kind: "password", user: "alice", password: "a@b/c?d#e" }],
    ["nats://alice:100%@a:4222", { kind: "password", user: "alice", password: "100%" }],
    ["nats://@a:4222", undefined],
    ["nats://a:4222/", undefined],
  ])("%s: its login is cut out, and only host and port are dialled", (text, login) => {
    expect(one(text)).toMatchObject({ listen: "a:4222", login });
    expect(one(text)?.url).toBe(text.includes("://") ? "nats://a:4222" : "a:4222");
  });

  it.each([
    ["localhost", "localhost:4222"],
    ["nats://[::1]", "[::1]:4222"],
    ["tls://u:p@[fe80::1]:80", "[fe80::1]:80"],
    ["NATS://Example.org:4333", "example.org:4333"],
    ["ws://h", "h:80"],
    ["wss://token@h/path@x?y", "h:443"],
  ])("%s is dialled as %s", (text, listen) => {
    expect(one(text)?.listen).toBe(listen);
  });

  it("keeps scheme and path for a web socket", () => {
    expect(one("wss://token@h/path@x?y")).toMatchObject({ url: "wss://h/path@x?y", secure: true });
  });

  it.each([
    ["", "names no server"],
    [" , ", "names no server"],
    ["tsl://h", "the URL has an unknown scheme: use nats://, tls://, ws://, wss://"],
    ["nats://", "the URL has no valid host and port"],
    ["nats://h:70000", "the URL has no valid host and port"],
    ["nats://h:0", "the URL has no valid host and port"],
    ["nats://h,nats://h:x", "URL 2 has no valid host and port"],
    ["nats://:s3cret@h", "the URL has a password without a user"],
    ["nats://a b@h", "the URL contains a blank"],
  ])("%s: %s", (text, problem) => {
    expect(parseServers(text)).toEqual({ addresses: expect.anything(), problems: [problem] });
  });
});

describe("a list of URLs", () => {
  it("has a login for each URL", () => {
    const { addresses, problems } = parseServers("nats://a:1@h1:1, tls://t@h2:2,nats://h3:3");
    expect(problems).toEqual([]);
    expect(addresses.map(({ listen, login, secure }) => [listen, login?.kind, secure])).toEqual([
      ["h1:1", "password", false],
      ["h2:2", "token", true],
      ["h3:3", undefined, false],
    ]);
    expect(hasLogin("nats://h3:3")).toBe(false);
    expect(hasLogin(["nats://h3:3", "nats://t@h2"])).toBe(true);
  });

  it("takes no half of a password with a comma for a host with a port", () => {
    const text = "nats://alice:12,34@h";
    expect(parseServers(text).problems).toEqual([expect.stringContaining("%2C for a comma in a password")]);
    expect(shownServers(text)).toBe("(a malformed URL)");
    expect(one("nats://alice:12%2C34@h")?.login).toMatchObject({ password: "12,34" });
    expect(parseServers([text]).addresses[0]?.login).toMatchObject({ password: "12,34" });
  });
});

describe("what is shown", () => {
  it("has no login", () => {
    expect(shownServers("nats://alice:s3cret@h1:1,tls://t0ken@h2,h3")).toBe("nats://h1:1,tls://h2,h3");
  });

  it("is nothing of a text that does not parse: any part of it may be the secret", () => {
    for (const text of ["nats://alice:s3cret", "nats://s3cret@", "x://s3cret@h", "nats://al ice:s3cret@h"]) {
      const { problems } = parseServers(text);
      expect(problems).toHaveLength(1);
      expect(`${problems.join()} ${shownServers(text)}`).not.toContain("s3cret");
    }
  });
});
