import { afterEach, describe, expect, it, vi } from "vitest";
import {
  amountsLine,
  doublingTime,
  duration,
  growthRate,
  rounded,
  sameAmounts,
  simTime,
  timeOfDay,
  wallClock,
} from "./quantities.ts";

afterEach(() => vi.unstubAllEnvs());

describe("quantities for people", () => {
  it("shows simulated time in its two largest units", () => {
    expect([0, 57, 59.6, 60, 157, 1_439, 1_440, 4_567].map(simTime)).toEqual([
      "0 min",
      "57 min",
      "1 h",
      "1 h",
      "2 h 37 min",
      "23 h 59 min",
      "1 d",
      "3 d 4 h",
    ]);
  });

  it("shows a doubling time in minutes unless it is very long", () => {
    expect([null, undefined, 105, 150.603, 1_013_240.2].map(doublingTime)).toEqual([
      "–",
      "–",
      "105.0 min",
      "150.6 min",
      "703 d 15 h",
    ]);
  });

  it("shows a growth rate without an exponent", () => {
    expect([0.006601401605845502, 6.841e-7, 1.932e-25, 0].map(growthRate)).toEqual([
      "0.00660 per min",
      "0.000000684 per min",
      "no growth",
      "no growth",
    ]);
  });

  it("shows durations and other numbers without noise", () => {
    expect([7, 1_500, 180_000, 5_400_000].map(duration)).toEqual(["7 ms", "1.5 s", "3.0 min", "1.5 h"]);
    expect([402.3999960391479, 700, 0.25].map(rounded)).toEqual(["402.4", "700", "0.25"]);
  });

  it("shows wall-clock times in the zone of the machine, with its name", () => {
    const atMs = Date.UTC(2026, 2, 1, 14, 5, 9);
    vi.stubEnv("TZ", "UTC");
    expect([wallClock(atMs), timeOfDay(atMs)]).toEqual(["2026-03-01 14:05:09 UTC", "14:05:09 UTC"]);
    vi.stubEnv("TZ", "Asia/Tokyo");
    expect([wallClock(atMs), timeOfDay(atMs)]).toEqual(["2026-03-01 23:05:09 GMT+9", "23:05:09 GMT+9"]);
  });

  it("names resources as the options do, in their order", () => {
    const amounts = { atpPerSecond: 13_247, dnaKilobases: 543, ribosomes: 503, rnaPolymerases: 187 };
    expect(amountsLine(amounts)).toBe("ribosomes 503, atp 13247, rnap 187, dna 543");
    expect(amountsLine({ vcpus: 2, memoryMiB: 2_048 })).toBe("vcpus 2, memory 2048");
    expect(amountsLine(null)).toBe("–");
    expect(sameAmounts(amounts, { ...amounts })).toBe(true);
    expect(sameAmounts(amounts, { ...amounts, ribosomes: 252 })).toBe(false);
  });
});
