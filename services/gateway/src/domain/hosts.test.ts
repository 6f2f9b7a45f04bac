import { describe, expect, it } from "vitest";
import { isHostName, isLoopback, KnownHosts } from "./hosts.ts";

const hosts = new KnownHosts(7480, ["console.example:8443"]);

describe("the names of the gateway", () => {
  it.each(["127.0.0.1:7480", "localhost:7480", "LOCALHOST:7480", "[::1]:7480", "console.example:8443"])(
    "answers to %s",
    (host) => {
      expect(hosts.hasHost(host)).toBe(true);
    },
  );

  it.each([
    undefined,
    "",
    "evil.example",
    "evil.example:7480",
    "localhost",
    "localhost:7481",
    "127.0.0.1.evil:7480",
  ])("does not answer to %s", (host) => {
    expect(hosts.hasHost(host)).toBe(false);
  });

  it("knows a page of its own by the name in both headers", () => {
    expect(hosts.isOwnOrigin("http://localhost:7480", "localhost:7480")).toBe(true);
    expect(hosts.isOwnOrigin("https://console.example:8443", "console.example:8443")).toBe(true);
  });

  it.each([
    ["http://evil.example", "localhost:7480"],
    ["http://localhost:3000", "localhost:7480"],
    ["http://127.0.0.1:7480", "localhost:7480"],
    ["null", "localhost:7480"],
    ["http://evil.example:7480", "evil.example:7480"],
    [undefined, "localhost:7480"],
  ])("takes a page of %s at %s for a foreign one", (origin, host) => {
    expect(hosts.isOwnOrigin(origin, host)).toBe(false);
  });

  it("tells addresses of this machine from others, and names from URLs", () => {
    expect(["127.0.0.1", "127.9.9.9", "localhost", "::1"].every(isLoopback)).toBe(true);
    expect(["0.0.0.0", "::", "10.0.0.1", "localhost.example"].some(isLoopback)).toBe(false);
    expect(["console.example", "console.example:8443", "[::1]:80"].every(isHostName)).toBe(true);
    expect(["http://console.example", "a b", "", "*"].some(isHostName)).toBe(false);
  });
});
