/**
 * History of the fleet in three rings: one point per second for ten minutes, per minute for a day, per hour for a
 * month.
 *
 * A coarser point is the mean of the finer ones in its span, over known values only. The lengths bound the memory, and
 * the history is lost with the process: it serves monitoring, and the log remains the record.
 */
export interface FleetPoint {
  /** Start of the span of this point, epoch ms. */
  readonly atMs: number;
  readonly vmsRunning: number;
  readonly vmsPending: number;
  readonly vmsImpaired: number;
  /** Mean health of the measured VMs, 0 to 100; null when none is measured. */
  readonly health: number | null;
  readonly fairness: number | null;
  readonly growthLowestPermille: number | null;
  readonly oldestWaitMs: number;
  readonly alertsActive: number;
  /** Share of the samples sent in the last minute that were lost. */
  readonly telemetryLostPermille: number | null;
  /** Reserved share of the offer of all chassis, per resource. */
  readonly reservedPermille: Readonly<Record<string, number>>;
}

export const HISTORY_RESOLUTIONS = {
  "1s": { spanMs: 1_000, points: 600 },
  "1min": { spanMs: 60_000, points: 1_440 },
  "1h": { spanMs: 3_600_000, points: 720 },
} as const;
export type HistoryResolution = keyof typeof HISTORY_RESOLUTIONS;

/** The newest points of one resolution, and the finer points of the span that is not complete yet. */
class Ring {
  readonly #spanMs: number;
  readonly #length: number;
  readonly #points: FleetPoint[] = [];
  #open: FleetPoint[] = [];

  constructor({ spanMs, points }: { readonly spanMs: number; readonly points: number }) {
    this.#spanMs = spanMs;
    this.#length = points;
  }

  /** Adds a point. If the point begins a new span, returns the mean of the previous span's points; else undefined. */
  add(point: FleetPoint): FleetPoint | undefined {
    const atMs = this.#begin(point);
    const [first] = this.#open;
    if (first === undefined || this.#begin(first) === atMs) {
      this.#open.push(point);
      return undefined;
    }
    const ended = meanOf(this.#begin(first), this.#open);
    this.#open = [point];
    this.#points.push(ended);
    if (this.#points.length > this.#length) this.#points.shift();
    return ended;
  }

  since(sinceMs: number): FleetPoint[] {
    return this.#points.filter((point) => point.atMs >= sinceMs);
  }

  #begin({ atMs }: FleetPoint): number {
    return Math.floor(atMs / this.#spanMs) * this.#spanMs;
  }
}

export class FleetHistory {
  readonly #rings: Readonly<Record<HistoryResolution, Ring>> = {
    "1s": new Ring(HISTORY_RESOLUTIONS["1s"]),
    "1min": new Ring(HISTORY_RESOLUTIONS["1min"]),
    "1h": new Ring(HISTORY_RESOLUTIONS["1h"]),
  };

  add(point: FleetPoint): void {
    const second = this.#rings["1s"].add(point);
    const minute = second && this.#rings["1min"].add(second);
    if (minute !== undefined) this.#rings["1h"].add(minute);
  }

  /** Returns the points of complete spans from `sinceMs` on, the oldest first. */
  since(resolution: HistoryResolution, sinceMs: number): FleetPoint[] {
    return this.#rings[resolution].since(sinceMs);
  }
}

/** Returns the mean of `points`, of which at least one is required. */
function meanOf(atMs: number, points: readonly FleetPoint[]): FleetPoint {
  const known = (of: (point: FleetPoint) => number | null) => points.flatMap((point) => of(point) ?? []);
  const mean = (of: (point: FleetPoint) => number | null): number | null => {
    const values = known(of);
    return values.length === 0 ? null : rounded(values.reduce((a, b) => a + b, 0) / values.length);
  };
  const resources = new Set(points.flatMap((point) => Object.keys(point.reservedPermille)));
  const reserved = [...resources]
    .sort()
    .map((name) => [name, mean((p) => p.reservedPermille[name] ?? null) ?? 0]);
  return {
    atMs,
    vmsRunning: mean((p) => p.vmsRunning) ?? 0,
    vmsPending: mean((p) => p.vmsPending) ?? 0,
    vmsImpaired: mean((p) => p.vmsImpaired) ?? 0,
    health: mean((p) => p.health),
    fairness: mean((p) => p.fairness),
    growthLowestPermille: mean((p) => p.growthLowestPermille),
    oldestWaitMs: mean((p) => p.oldestWaitMs) ?? 0,
    alertsActive: mean((p) => p.alertsActive) ?? 0,
    telemetryLostPermille: mean((p) => p.telemetryLostPermille),
    reservedPermille: Object.fromEntries(reserved),
  };
}

/** Rounds to thousandths: a mean of integers needs no more, and the JSON stays short. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
