/**
 * The detector in virtual time: what it says of an agent that lives, dies, is far away, or whose listener sleeps.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterEcho,
  afterHeartbeat,
  DEAF_AFTER_MS,
  type Ear,
  FLAP_MEMORY_MS,
  isSteady,
  MOST_STRETCH,
  STEADY_BEFORE_RECOVERY_MS,
  steadyBeforeRecoveryMs,
  timeoutsOf,
  UNHEARD,
  UNHEARD_STRETCH,
  type Verdict,
  verdictOf,
} from "./failure-detector.ts";

const LIMITS = { suspectAfterMs: 3_500, lostAfterMs: 10_000 };
const LOOK_MS = 500;

/** A listener and one agent, on one clock. */
class Path {
  nowMs = 0;
  ear: Ear = { sinceMs: 0, echoAtMs: 0 };
  hearing = UNHEARD;

  /** Time passes; the listener hears itself every half second unless it is deaf. */
  pass(ms: number, { deaf = false } = {}): this {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs = Math.min(end, this.nowMs + LOOK_MS);
      if (!deaf) this.ear = afterEcho(this.ear, this.nowMs);
    }
    return this;
  }

  heartbeat(): this {
    this.hearing = afterHeartbeat(this.hearing, this.ear.sinceMs, this.nowMs, LIMITS);
    return this;
  }

  beats(count: number, everyMs = 1_000): this {
    for (let i = 0; i < count; i += 1) this.pass(everyMs).heartbeat();
    return this;
  }

  verdict(sinceMs = 0): Verdict {
    return verdictOf(this.hearing, Math.max(sinceMs, this.ear.sinceMs), this.ear.echoAtMs, LIMITS);
  }
}

describe("an agent on a sound path", () => {
  it("is alive, suspect, lost, and alive with the next heartbeat", () => {
    const path = new Path().beats(30);
    expect(path.verdict()).toBe("alive");
    expect(path.pass(3_500).verdict()).toBe("alive");
    expect(path.pass(500).verdict()).toBe("suspect");
    expect(path.pass(6_000).verdict()).toBe("suspect");
    expect(path.pass(500).verdict()).toBe("lost");
    expect(path.heartbeat().verdict()).toBe("alive");
  });

  it("is judged by the least limits: small jitter stretches nothing", () => {
    const path = new Path();
    for (let i = 0; i < 60; i += 1) path.pass(i % 2 === 0 ? 980 : 1_020).heartbeat();
    expect(timeoutsOf(path.hearing, LIMITS)).toEqual(LIMITS);
  });

  it("that was never heard is unknown, soon suspect, and lost later than one that was", () => {
    const path = new Path();
    expect(path.pass(3_000).verdict()).toBe("unknown");
    expect(path.pass(1_000).verdict()).toBe("suspect");
    expect(path.pass(UNHEARD_STRETCH * LIMITS.lostAfterMs - 4_000).verdict()).toBe("suspect");
    expect(path.pass(500).verdict()).toBe("lost");
  });
});

describe("a bad path", () => {
  it("that carries every third heartbeat gets more time, and the old limits when it is mended", () => {
    const path = new Path().beats(40, 3_000);
    const { suspectAfterMs, lostAfterMs } = timeoutsOf(path.hearing, LIMITS);
    expect(lostAfterMs).toBeGreaterThan(20_000);
    expect(suspectAfterMs).toBeGreaterThan(7_000);
    expect(path.pass(12_000).verdict()).not.toBe("lost");
    path.beats(80);
    expect(timeoutsOf(path.hearing, LIMITS)).toEqual(LIMITS);
  });

  it("never makes the limits smaller than configured, nor larger than their bound, whatever is heard", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 100 }), (gaps) => {
        const path = new Path();
        for (const gap of gaps) path.pass(gap).heartbeat();
        const { suspectAfterMs, lostAfterMs } = timeoutsOf(path.hearing, LIMITS);
        expect(suspectAfterMs).toBeGreaterThanOrEqual(LIMITS.suspectAfterMs);
        expect(lostAfterMs).toBeGreaterThanOrEqual(LIMITS.lostAfterMs);
        expect(lostAfterMs).toBeLessThanOrEqual(MOST_STRETCH * LIMITS.lostAfterMs);
      }),
    );
  });

  it("is not learnt from an absence: who was dead for minutes is judged as before", () => {
    const path = new Path().beats(30).pass(300_000).heartbeat().beats(1);
    expect(timeoutsOf(path.hearing, LIMITS)).toEqual(LIMITS);
  });
});

describe("a listener that could hear nobody", () => {
  it("adds no silence while it is deaf, and begins to count anew", () => {
    const path = new Path().beats(30).pass(60_000, { deaf: true });
    expect(path.verdict()).toBe("alive");
    expect(path.pass(9_500).verdict()).toBe("suspect");
    expect(path.pass(1_500).verdict()).toBe("lost");
  });

  it("is not deaf for a moment without an echo", () => {
    const path = new Path().beats(30).pass(DEAF_AFTER_MS - LOOK_MS, { deaf: true });
    expect(path.pass(500).ear.sinceMs).toBe(0);
    expect(path.pass(9_000).verdict()).toBe("lost");
  });

  it("that came into its role late waits through a whole silence of its own", () => {
    const path = new Path().beats(30).pass(60_000);
    const takenOverAtMs = path.nowMs;
    expect(path.verdict()).toBe("lost");
    expect(path.verdict(takenOverAtMs)).toBe("alive");
    expect(path.pass(10_000).verdict(takenOverAtMs)).toBe("suspect");
    expect(path.pass(500).verdict(takenOverAtMs)).toBe("lost");
  });
});

describe("coming back", () => {
  it("takes longer with each loss in a row, up to a bound", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 100].map(steadyBeforeRecoveryMs);
    expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8].map((n) => n * STEADY_BEFORE_RECOVERY_MS));
    expect(new Set(waits.slice(5)).size).toBe(1);
    expect(waits.at(-1)).toBeLessThan(FLAP_MEMORY_MS / 2);
  });

  it("needs heartbeats without a gap: one that would be suspect begins the wait anew", () => {
    const path = new Path().beats(5).pass(30_000).heartbeat();
    expect(isSteady(path.hearing, 1, path.nowMs)).toBe(false);
    expect(isSteady(path.beats(2).hearing, 1, path.nowMs)).toBe(true);
    expect(isSteady(path.hearing, 3, path.nowMs)).toBe(false);
    path.pass(4_000).beats(1);
    expect(isSteady(path.hearing, 1, path.nowMs)).toBe(false);
    expect(isSteady(path.beats(8).hearing, 3, path.nowMs)).toBe(true);
  });
});
