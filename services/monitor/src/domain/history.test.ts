import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FleetHistory, type FleetPoint, HISTORY_RESOLUTIONS } from "./history.ts";

const point = (atMs: number, vmsRunning: number, health: number | null = null): FleetPoint => ({
  atMs,
  vmsRunning,
  vmsPending: 0,
  vmsImpaired: 0,
  health,
  fairness: null,
  growthLowestPermille: null,
  oldestWaitMs: 0,
  alertsActive: 0,
  telemetryLostPermille: null,
  reservedPermille: vmsRunning > 0 ? { ribosomes: vmsRunning } : {},
});

describe("history", () => {
  it("a coarser point is the mean of the known finer values", () => {
    const history = new FleetHistory();
    for (let s = 0; s < 121; s += 1) history.add(point(s * 1_000, s < 60 ? 10 : 20, s % 2 === 0 ? 50 : null));
    const minutes = history.since("1min", 0);
    expect(minutes).toMatchObject([
      { atMs: 0, vmsRunning: 10, health: 50, reservedPermille: { ribosomes: 10 } },
    ]);
    expect(history.since("1s", 118_000).map((p) => p.atMs)).toEqual([118_000, 119_000]);
  });

  it("is bounded and sorted, and every point is at the start of a span, for any clock steps", () => {
    const steps = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 3_000 });
    fc.assert(
      fc.property(steps, (deltas) => {
        const history = new FleetHistory();
        let atMs = 0;
        for (const delta of deltas) {
          atMs += delta;
          history.add(point(atMs, 1));
        }
        for (const [name, { spanMs, points }] of Object.entries(HISTORY_RESOLUTIONS)) {
          const all = history.since(name as keyof typeof HISTORY_RESOLUTIONS, 0).map((p) => p.atMs);
          expect(all.length).toBeLessThanOrEqual(points);
          expect(all.every((at) => at % spanMs === 0)).toBe(true);
          expect(all).toEqual([...new Set(all)].sort((a, b) => a - b));
        }
      }),
      { numRuns: 30 },
    );
  });
});
