/**
 * Records the history of the fleet: one point per second.
 */
import { done, type Handled, type ParsedRequestOf, pageOfWhole, type ResultOf } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { growthPermille } from "../domain/health.ts";
import { FleetHistory, type FleetPoint } from "../domain/history.ts";
import { permilleOf, utilisationOf } from "../domain/utilisation.ts";
import type { Alerts } from "./alerts.ts";
import type { Fleet } from "./fleet.ts";
import type { Samples } from "./samples.ts";

/** Interval between two points, ms: the finest resolution of the history. */
const POINT_INTERVAL_MS = 1_000;

export class FleetRecorder {
  readonly #ports: ServicePorts;
  readonly #fleet: Fleet;
  readonly #samples: Samples;
  readonly #alerts: Alerts;
  readonly #history = new FleetHistory();
  #timer: { cancel(): void } | undefined;

  constructor(ports: ServicePorts, fleet: Fleet, samples: Samples, alerts: Alerts) {
    this.#ports = ports;
    this.#fleet = fleet;
    this.#samples = samples;
    this.#alerts = alerts;
  }

  begin(): void {
    this.#timer = this.#ports.timers.every(POINT_INTERVAL_MS, () => this.#history.add(this.#point()));
  }

  end(): void {
    this.#timer?.cancel();
  }

  #point(): FleetPoint {
    const nowMs = this.#ports.clock.nowMs();
    const all = this.#fleet.existing();
    const states = this.#fleet.byState(all);
    let [healthSum, measured, impaired] = [0, 0, 0];
    let lowest: number | null = null;
    for (const [vmId, vm] of all) {
      const sample = this.#samples.vms.get(vmId);
      const assessed = this.#fleet.healthOf(vmId, vm);
      if (sample === undefined || assessed === undefined) continue;
      if (assessed.health !== null) {
        measured += 1;
        healthSum += assessed.health;
      }
      if (assessed.reasons.length > 0) impaired += 1;
      const growth = growthPermille(vm, sample);
      if (growth !== null) lowest = Math.min(lowest ?? Number.POSITIVE_INFINITY, growth);
    }
    const ledgers = this.#fleet.openLedgers().map(([, ledger]) => ledger);
    return {
      atMs: nowMs,
      vmsRunning: states["running"] ?? 0,
      vmsPending: states["pending"] ?? 0,
      vmsImpaired: impaired,
      health: measured === 0 ? null : healthSum / measured,
      fairness: this.#fleet.fairness(all),
      growthLowestPermille: lowest,
      oldestWaitMs: this.#fleet.waits(all).oldestMs,
      alertsActive: Object.values(this.#alerts.activeBySeverity()).reduce((a, b) => a + b, 0),
      telemetryLostPermille: this.#samples.lostPermille(nowMs) ?? null,
      reservedPermille: permilleOf(utilisationOf(ledgers)),
    };
  }

  /** Returns the points that fit in the reply. `nextSinceMs` is the time of the next point; null if all points fit. */
  history(
    { resolution, sinceMs, limit }: ParsedRequestOf<"monitorHistory">,
    maxBytes: number,
  ): Handled<ResultOf<"monitorHistory">> {
    const all = this.#history
      .since(resolution, sinceMs)
      .map((point) => ({ ...point, reservedPermille: { ...point.reservedPermille } }));
    const whole = { resolution, points: all, nextSinceMs: Number.MAX_SAFE_INTEGER };
    const page = pageOfWhole(
      whole,
      { shape: { points: "items" }, request: { limit }, maxBytes, firstIndex: 0 },
      (index) => String(index),
    );
    if (!page.ok) return page;
    const { cursor, points } = page.result as { cursor: string | null; points: typeof all };
    const next = cursor === null ? undefined : all[Number(cursor)];
    return done({ resolution, points, nextSinceMs: next?.atMs ?? null });
  }
}
