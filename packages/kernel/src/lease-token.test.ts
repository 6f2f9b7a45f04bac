import { describe, expect, it } from "vitest";
import { ISSUER_AHEAD_MS, isPossibleToken, MAX_LEASE_TOKEN, RECEIVER_AHEAD_MS } from "./lease-token.ts";

const NOW_MS = 1_800_000_000_000;

describe("a lease token", () => {
  it.each([1, 7, NOW_MS, NOW_MS + RECEIVER_AHEAD_MS])("can be %d", (token) => {
    expect(isPossibleToken(token, { nowMs: NOW_MS })).toBe(true);
  });

  it.each([
    0,
    -1,
    0.5,
    NOW_MS + 0.5,
    NOW_MS + RECEIVER_AHEAD_MS + 1,
    MAX_LEASE_TOKEN + 1,
    2 ** 53 - 1,
    2 ** 53,
    Number.MAX_VALUE,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ])("is never %d", (token) => {
    expect(isPossibleToken(token, { nowMs: NOW_MS })).toBe(false);
  });

  it("is never above its maximum, whatever the clock and the log say", () => {
    const horizon = { nowMs: Number.MAX_SAFE_INTEGER, newest: Number.MAX_SAFE_INTEGER };
    expect(isPossibleToken(MAX_LEASE_TOKEN, horizon)).toBe(true);
    expect(isPossibleToken(MAX_LEASE_TOKEN + 1, horizon)).toBe(false);
  });

  it("that an issuer makes is accepted by receivers whose clocks differ by as much as an issuer believes", () => {
    const furthest = NOW_MS + ISSUER_AHEAD_MS;
    expect(isPossibleToken(furthest, { nowMs: NOW_MS, aheadMs: ISSUER_AHEAD_MS })).toBe(true);
    expect(isPossibleToken(furthest + 1, { nowMs: NOW_MS - ISSUER_AHEAD_MS + 1 })).toBe(true);
  });
});
