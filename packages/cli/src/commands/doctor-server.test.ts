/**
 * The words of `bioxen doctor` about the NATS server: its version, its logins, and its largest message.
 */
import { describe, expect, it } from "vitest";
import { accessFinding, payloadFinding, serverFinding } from "./doctor-server.ts";

describe("the version of the server", () => {
  it("is named, and fails the check when it is too old", () => {
    expect(serverFinding("nats://h:4222", "2.10.23")).toEqual({
      check: "server",
      verdict: "ok",
      found: "nats://h:4222, nats-server 2.10.23",
    });
    expect(serverFinding("nats://h:4222", "2.10.22")).toMatchObject({
      verdict: "fail",
      remedy: "use 2.10.23 or newer: older servers can lose a stream",
    });
  });
});

describe("the clients of the server", () => {
  it.each([
    ["nats://127.0.0.1:4222", "this machine"],
    ["nats://localhost:4222", "this machine"],
    ["tls://[::1]:4222", "this machine"],
    ["nats://127.0.0.1:1,nats://127.0.0.1:2", "this machine"],
  ])("at %s without a login are the processes of this machine", (server, words) => {
    const found = `no login: every process of ${words} may send commands and publish events`;
    expect(accessFinding(server, false)).toEqual({ check: "access", verdict: "ok", found });
  });

  it.each(["nats://nats:4222", "nats://127.0.0.1:1,nats://10.0.0.1:2", "nats://127.0.0.1.example:4222"])(
    "at %s without a login are a warning: every one of them may forge events",
    (server) => {
      expect(accessFinding(server, false)).toMatchObject({
        verdict: "warn",
        found: "no login: every client that reaches this server may send commands and publish events",
        remedy: expect.stringContaining("docs/how-to/credentials.md"),
      });
    },
  );

  it("log in, wherever the server is", () => {
    const finding = { check: "access", verdict: "ok", found: "clients log in" };
    expect(accessFinding("nats://nats:4222", true)).toEqual(finding);
  });
});

it("a largest message below what commands need is a warning", () => {
  expect(payloadFinding(1_048_576)).toEqual({ check: "max_payload", verdict: "ok", found: "1048576 bytes" });
  expect(payloadFinding(65_536)).toMatchObject({
    verdict: "warn",
    found: "65536 bytes: commands, guest states and jobs above it are refused as TOO_LARGE",
    remedy: expect.stringContaining("set max_payload: 1MB"),
  });
});
