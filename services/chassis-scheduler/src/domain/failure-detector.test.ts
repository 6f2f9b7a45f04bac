/**
 * The failure detector in virtual time: agents that are alive, dead or on a bad path, and a listener that stalls.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterEcho,
  afterHeartbeat,
  DEAF_AFTER_MS,
  FLAP_MEMORY_MS,
  isSteady,
  type ListenerHealth,
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
  listener: ListenerHealth = { sinceMs: 0, echoAtMs: 0 };
  stats = UNHEARD;

  /** Advances time by `ms`. The listener gets an echo every half second, and none while it is deaf. */
  pass(ms: number, { deaf = false } = {}): this {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs = Math.min(end, this.nowMs + LOOK_MS);
      if (!deaf) this.listener = afterEcho(this.listener, this.nowMs);
    }
    return this;
  }

  heartbeat(): this {
    const at = { listeningSinceMs: this.listener.sinceMs, nowMs: this.nowMs };
    this.stats = afterHeartbeat(this.stats, at, LIMITS);
    return this;
  }

  beats(count: number, everyMs = 1_000): this {
    for (let i = 0; i < count; i += 1) this.pass(everyMs).heartbeat();
    return this;
  }

  verdict(sinceMs = 0): Verdict {
    const { stats, listener } = this;
    const evidence = { stats, sinceMs: Math.max(sinceMs, listener.sinceMs), echoAtMs: listener.echoAtMs };
    return verdictOf(evidence, LIMITS);
  }
}

describe("an agent on a sound path", () => {
  it("is alive, then suspect, then lost, and alive again with the next heartbeat", () => {
    const path = new Path().beats(30);
    expect(path.verdict()).toBe("alive");
    expect(path.pass(3_500).verdict()).toBe("alive");
    expect(path.pass(500).verdict()).toBe("suspect");
    expect(path.pass(6_000).verdict()).toBe("suspect");
    expect(path.pass(500).verdict()).toBe("lost");
    expect(path.heartbeat().verdict()).toBe("alive");
  });

  it("gets the configured limits: small jitter does not stretch them", () => {
    const path = new Path();
    for (let i = 0; i < 60; i += 1) path.pass(i % 2 === 0 ? 980 : 1_020).heartbeat();
    expect(timeoutsOf(path.stats, LIMITS)).toEqual(LIMITS);
  });

  it("without any heartbeat is unknown, soon suspect, and lost later than an agent that was heard", () => {
    const path = new Path();
    expect(path.pass(3_000).verdict()).toBe("unknown");
    expect(path.pass(1_000).verdict()).toBe("suspect");
    expect(path.pass(UNHEARD_STRETCH * LIMITS.lostAfterMs - 4_000).verdict()).toBe("suspect");
    expect(path.pass(500).verdict()).toBe("lost");
  });
});

describe("a bad path", () => {
  it("that delivers every third heartbeat stretches the limits, which shrink again once it is sound", () => {
    const path = new Path().beats(40, 3_000);
    const { suspectAfterMs, lostAfterMs } = timeoutsOf(path.stats, LIMITS);
    expect(lostAfterMs).toBeGreaterThan(20_000);
    expect(suspectAfterMs).toBeGreaterThan(7_000);
    expect(path.pass(12_000).verdict()).not.toBe("lost");
    path.beats(80);
    expect(timeoutsOf(path.stats, LIMITS)).toEqual(LIMITS);
  });

  it("never makes the limits smaller than configured or larger than their bound, for any gaps", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 100 }), (gaps) => {
        const path = new Path();
        for (const gap of gaps) path.pass(gap).heartbeat();
        const { suspectAfterMs, lostAfterMs } = timeoutsOf(path.stats, LIMITS);
        expect(suspectAfterMs).toBeGreaterThanOrEqual(LIMITS.suspectAfterMs);
        expect(lostAfterMs).toBeGreaterThanOrEqual(LIMITS.lostAfterMs);
        expect(lostAfterMs).toBeLessThanOrEqual(MOST_STRETCH * LIMITS.lostAfterMs);
      }),
    );
  });

  it("is not inferred from an absence: an agent that was dead for minutes keeps its limits", () => {
    const path = new Path().beats(30).pass(300_000).heartbeat().beats(1);
    expect(timeoutsOf(path.stats, LIMITS)).toEqual(LIMITS);
  });
});

describe("a listener without an echo", () => {
  it("counts no silence while it is deaf, and restarts the count at zero afterwards", () => {
    const path = new Path().beats(30).pass(60_000, { deaf: true });
    expect(path.verdict()).toBe("alive");
    expect(path.pass(9_500).verdict()).toBe("suspect");
    expect(path.pass(1_500).verdict()).toBe("lost");
  });

  it("is not deaf after a short gap in the echo", () => {
    const path = new Path().beats(30).pass(DEAF_AFTER_MS - LOOK_MS, { deaf: true });
    expect(path.pass(500).listener.sinceMs).toBe(0);
    expect(path.pass(9_000).verdict()).toBe("lost");
  });

  it("that has just taken over waits for a full timeout of its own", () => {
    const path = new Path().beats(30).pass(60_000);
    const takenOverAtMs = path.nowMs;
    expect(path.verdict()).toBe("lost");
    expect(path.verdict(takenOverAtMs)).toBe("alive");
    expect(path.pass(10_000).verdict(takenOverAtMs)).toBe("suspect");
    expect(path.pass(500).verdict(takenOverAtMs)).toBe("lost");
  });
});

describe("recovery", () => {
  it("takes longer after each loss in a row, up to a bound", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 100].map(steadyBeforeRecoveryMs);
    expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8].map((n) => n * STEADY_BEFORE_RECOVERY_MS));
    expect(new Set(waits.slice(5)).size).toBe(1);
    expect(waits.at(-1)).toBeLessThan(FLAP_MEMORY_MS / 2);
  });

  it("needs heartbeats without a gap: suspicious silence restarts the wait", () => {
    const path = new Path().beats(5).pass(30_000).heartbeat();
    expect(isSteady(path.stats, 1, path.nowMs)).toBe(false);
    expect(isSteady(path.beats(2).stats, 1, path.nowMs)).toBe(true);
    expect(isSteady(path.stats, 3, path.nowMs)).toBe(false);
    path.pass(4_000).beats(1);
    expect(isSteady(path.stats, 1, path.nowMs)).toBe(false);
    expect(isSteady(path.beats(8).stats, 3, path.nowMs)).toBe(true);
  });
});

it("a clock that goes back is a bug of the caller", () => {
  const path = new Path().beats(2);
  const at = { listeningSinceMs: 0, nowMs: path.nowMs - 1 };
  expect(() => afterHeartbeat(path.stats, at, LIMITS)).toThrow("monotonic clock");
  expect(() => afterEcho(path.listener, path.nowMs - 1)).toThrow("monotonic clock");
});
