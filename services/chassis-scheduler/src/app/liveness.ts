/**
 * Which chassis are heard of: heartbeats as they come, judged by the failure detector, on a clock that nobody sets.
 *
 * This process also hears itself, over the same server: while it does not, no silence grows (see `domain/failure-detector.ts`).
 */
import {
  ALL_CHASSIS_TELEMETRY,
  type ChassisSample,
  type ChassisView,
  chassisSample,
  SUSPECT_AFTER_MS,
  schedulerEchoSubject,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import {
  afterEcho,
  afterHeartbeat,
  type DetectorLimits,
  type Ear,
  type Hearing,
  isSteady,
  silenceOf,
  timeoutsOf,
  UNHEARD,
  type Verdict,
  verdictOf,
} from "../domain/failure-detector.ts";

export type Liveness = Pick<ChassisView, "state" | "heartbeatAgeMs">;

/** How often silence is looked for, ms. */
export const CHECK_INTERVAL_MS = 500;

const STATES: Readonly<Record<Verdict, Liveness["state"]>> = {
  unknown: "unknown",
  alive: "ready",
  suspect: "suspect",
  // Only the log makes a chassis lost: this is one instance's opinion.
  lost: "suspect",
};

interface Heard {
  hearing: Hearing;
  /** Since when its silence counts at all: it was not registered before, or nobody listened. */
  readonly sinceMs: number;
  sample: ChassisSample | undefined;
}

export class ChassisLiveness {
  readonly #ports: ServicePorts;
  readonly #monotonicMs: () => number;
  readonly #limits: DetectorLimits;
  readonly #heard = new Map<string, Heard>();
  /** What whoever asks is told, and nothing newer: a state that was seen and never reported would wake nobody when it ends. */
  readonly #states = new Map<string, Liveness["state"]>();
  readonly #stops: (() => void)[] = [];
  #ear: Ear = { sinceMs: 0, echoAtMs: 0 };

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    this.#ports = ports;
    this.#monotonicMs = monotonicMs;
    this.#limits = { suspectAfterMs: Math.min(SUSPECT_AFTER_MS, lostAfterMs / 2), lostAfterMs };
  }

  /** `onChange` is told of every chassis of `registered` that falls silent or is heard (again). */
  begin(
    registered: () => Iterable<string>,
    onChange: (chassisId: string, state: Liveness["state"]) => void,
  ): void {
    const { bus, ids, timers } = this.#ports;
    const nowMs = this.#monotonicMs();
    this.#ear = { sinceMs: nowMs, echoAtMs: nowMs };
    const note = (chassisId: string) => {
      const state = STATES[this.#verdictOf(chassisId)];
      const before = this.of(chassisId).state;
      // Nobody is heard by deafness: after it silence begins anew, and suspicion stays until there is a heartbeat.
      if (before === state || state === "unknown") return;
      if (before === "suspect" && (this.#heard.get(chassisId)?.hearing.heardAtMs ?? 0) < this.#ear.sinceMs)
        return;
      this.#states.set(chassisId, state);
      onChange(chassisId, state);
    };
    const echo = schedulerEchoSubject(ids.next());
    const own = bus.subscribe(echo, () => {
      this.#ear = afterEcho(this.#ear, this.#monotonicMs());
    });
    const subscription = bus.subscribe(ALL_CHASSIS_TELEMETRY, (payload) => {
      const sample = chassisSample.safeParse(payload);
      if (!sample.success) return;
      this.#hear(sample.data);
      note(sample.data.chassisId);
    });
    const check = timers.every(CHECK_INTERVAL_MS, () => {
      bus.publish(echo, {});
      for (const chassisId of registered()) note(chassisId);
    });
    bus.publish(echo, {});
    this.#stops.push(
      () => own.stop(),
      () => subscription.stop(),
      () => check.cancel(),
    );
  }

  end(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** `unknown` until this process has listened long enough to say. */
  of(chassisId: string): Liveness {
    const heardAtMs = this.#heard.get(chassisId)?.hearing.heardAtMs ?? null;
    const heartbeatAgeMs =
      heardAtMs === null ? null : Math.max(0, Math.round(this.#monotonicMs() - heardAtMs));
    return { state: this.#states.get(chassisId) ?? "unknown", heartbeatAgeMs };
  }

  /**
   * The silence that makes a chassis lost, and the limit it is over; undefined while it is not. `sinceMs`: since when the asker may
   * judge, on the monotonic clock.
   */
  lossOf(
    chassisId: string,
    sinceMs: number,
  ): { readonly silentMs: number; readonly timeoutMs: number } | undefined {
    const heard = this.#heardOf(chassisId);
    const since = Math.max(sinceMs, heard.sinceMs, this.#ear.sinceMs);
    if (verdictOf(heard.hearing, since, this.#ear.echoAtMs, this.#limits) !== "lost") return undefined;
    return {
      silentMs: silenceOf(heard.hearing, since, this.#ear.echoAtMs),
      timeoutMs: timeoutsOf(heard.hearing, this.#limits).lostAfterMs,
    };
  }

  /** The latest heartbeat of a chassis that is heard as steadily as its losses ask; undefined otherwise. */
  steadySampleOf(chassisId: string, lossesInARow: number): ChassisSample | undefined {
    const heard = this.#heard.get(chassisId);
    if (heard === undefined || this.of(chassisId).state !== "ready") return undefined;
    return isSteady(heard.hearing, lossesInARow, this.#monotonicMs()) ? heard.sample : undefined;
  }

  #hear(sample: ChassisSample): void {
    const heard = this.#heardOf(sample.chassisId);
    heard.hearing = afterHeartbeat(heard.hearing, this.#ear.sinceMs, this.#monotonicMs(), this.#limits);
    heard.sample = sample;
  }

  #heardOf(chassisId: string): Heard {
    const known = this.#heard.get(chassisId);
    if (known !== undefined) return known;
    const fresh = { hearing: UNHEARD, sinceMs: this.#monotonicMs(), sample: undefined };
    this.#heard.set(chassisId, fresh);
    return fresh;
  }

  #verdictOf(chassisId: string): Verdict {
    const { hearing, sinceMs } = this.#heardOf(chassisId);
    return verdictOf(hearing, Math.max(sinceMs, this.#ear.sinceMs), this.#ear.echoAtMs, this.#limits);
  }
}
