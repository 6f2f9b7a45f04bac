/**
 * Liveness of every chassis: feeds heartbeats into the failure detector, on a monotonic clock.
 *
 * The process also publishes an echo to itself over the same server. While the echo is missing, no silence accumulates
 * (see `domain/failure-detector.ts`).
 */
import {
  ALL_CHASSIS_TELEMETRY,
  type ChassisSample,
  type ChassisView,
  chassisSample,
  chassisTelemetrySubject,
  type HostRoom,
  SUSPECT_AFTER_MS,
  schedulerEchoSubject,
} from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import {
  afterEcho,
  afterHeartbeat,
  type DetectorLimits,
  type Evidence,
  type HeartbeatStats,
  isSteady,
  type ListenerHealth,
  silenceOf,
  timeoutsOf,
  UNHEARD,
  type Verdict,
  verdictOf,
} from "../domain/failure-detector.ts";

export type Liveness = Pick<ChassisView, "state" | "heartbeatAgeMs">;

/** Interval between two checks for silence, ms. */
export const CHECK_INTERVAL_MS = 500;

/**
 * Once this many chassis are tracked, only registered chassis are added. A chassis is normally tracked even before its
 * registration. The limit exists because a client can invent ids without end.
 */
const MAX_TRACKED = 20_000;

const STATES: Readonly<Record<Verdict, Liveness["state"]>> = {
  unknown: "unknown",
  alive: "ready",
  suspect: "suspect",
  // `suspect`, because a chassis is lost only once the log says so. This verdict is only the view of one instance.
  lost: "suspect",
};

interface TrackedAgent {
  stats: HeartbeatStats;
  /** Instant from which silence of this agent counts: when this process first asked about it or heard it. */
  readonly sinceMs: number;
  sample: ChassisSample | undefined;
}

export class ChassisLiveness {
  readonly #ports: ServicePorts;
  readonly #monotonicMs: () => number;
  readonly #limits: DetectorLimits;
  readonly #agents = new Map<string, TrackedAgent>();
  /**
   * By chassis id, the state that was last passed to `onChange`. `of` returns this state even if a newer one is known.
   * `onChange` would not report the end of a state that was never reported, so no caller may act on such a state.
   */
  readonly #reportedStates = new Map<string, Liveness["state"]>();
  readonly #stops: (() => void)[] = [];
  #onHosts: () => void = () => undefined;
  #listener: ListenerHealth = { sinceMs: 0, echoAtMs: 0 };

  constructor(ports: ServicePorts, monotonicMs: () => number, lostAfterMs: number) {
    this.#ports = ports;
    this.#monotonicMs = monotonicMs;
    this.#limits = { suspectAfterMs: Math.min(SUSPECT_AFTER_MS, lostAfterMs / 2), lostAfterMs };
  }

  /**
   * Starts listening. Calls `onChange` when a chassis of `registered` becomes suspect or ready. `agentOf` returns the
   * agent that has registered the chassis, as known here; undefined for an unknown chassis.
   */
  begin(
    registered: () => Iterable<string>,
    agentOf: (chassisId: string) => string | undefined,
    onChange: (chassisId: string, state: Liveness["state"]) => void,
  ): void {
    const { bus, ids, timers } = this.#ports;
    const nowMs = this.#monotonicMs();
    this.#listener = { sinceMs: nowMs, echoAtMs: nowMs };
    const report = (chassisId: string) => this.#report(chassisId, onChange);
    const echo = schedulerEchoSubject(ids.next());
    const own = bus.subscribe(echo, () => {
      this.#listener = afterEcho(this.#listener, this.#monotonicMs());
    });
    const subscription = bus.subscribe(ALL_CHASSIS_TELEMETRY, (payload, subject, sender) => {
      const sample = chassisSample.safeParse(payload);
      if (!sample.success || (sender ?? sample.data.agentId) !== sample.data.agentId) return;
      if (subject !== chassisTelemetrySubject(sample.data.chassisId)) return;
      if (!this.#isFrom(sample.data, agentOf(sample.data.chassisId))) return;
      this.#hear(sample.data);
      report(sample.data.chassisId);
    });
    const check = timers.every(CHECK_INTERVAL_MS, () => {
      bus.publish(echo, {});
      for (const chassisId of registered()) report(chassisId);
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

  #report(chassisId: string, onChange: (chassisId: string, state: Liveness["state"]) => void): void {
    const state = STATES[verdictOf(this.#evidenceOf(chassisId), this.#limits)];
    const before = this.of(chassisId).state;
    if (before === state || state === "unknown") return;
    const heardAtMs = this.#agents.get(chassisId)?.stats.heardAtMs ?? 0;
    // After a time in which this process could receive no message, the measured silence of each agent restarts at zero.
    // That restart is no sign of life, so a suspect chassis stays suspect until its next heartbeat.
    if (before === "suspect" && heardAtMs < this.#listener.sinceMs) return;
    this.#reportedStates.set(chassisId, state);
    onChange(chassisId, state);
  }

  /** Returns the last reported state, `unknown` before the first report, and the age of the last heartbeat in ms. */
  of(chassisId: string): Liveness {
    const heardAtMs = this.#agents.get(chassisId)?.stats.heardAtMs ?? null;
    const heartbeatAgeMs =
      heardAtMs === null ? null : Math.max(0, Math.round(this.#monotonicMs() - heardAtMs));
    return { state: this.#reportedStates.get(chassisId) ?? "unknown", heartbeatAgeMs };
  }

  /**
   * If the chassis is lost, returns how long it has been silent and the limit that this exceeds, both in ms; else
   * undefined.
   *
   * `actingSinceMs` is the instant, on the monotonic clock, from which the caller may count silence.
   */
  lossOf(
    chassisId: string,
    actingSinceMs: number,
  ): { readonly silentMs: number; readonly timeoutMs: number } | undefined {
    const known = this.#evidenceOf(chassisId);
    const evidence = { ...known, sinceMs: Math.max(actingSinceMs, known.sinceMs) };
    if (verdictOf(evidence, this.#limits) !== "lost") return undefined;
    return {
      silentMs: silenceOf(evidence),
      timeoutMs: timeoutsOf(evidence.stats, this.#limits).lostAfterMs,
    };
  }

  /**
   * Returns the last heartbeat of a chassis that is ready and has sent heartbeats steadily for long enough; else
   * undefined. The required time grows with `lossesInARow`.
   */
  steadySampleOf(chassisId: string, lossesInARow: number): ChassisSample | undefined {
    const agent = this.#agents.get(chassisId);
    if (agent === undefined || this.of(chassisId).state !== "ready") return undefined;
    return isSteady(agent.stats, lossesInARow, this.#monotonicMs()) ? agent.sample : undefined;
  }

  /**
   * Returns true when a heartbeat counts. For a registered chassis, only heartbeats of its own agent count. Heartbeats
   * of unregistered chassis count until `MAX_TRACKED` chassis are tracked, because a new registration may not be known
   * here yet.
   */
  #isFrom({ chassisId, agentId }: ChassisSample, registeredAgent: string | undefined): boolean {
    if (registeredAgent !== undefined) return registeredAgent === agentId;
    return this.#agents.has(chassisId) || this.#agents.size < MAX_TRACKED;
  }

  /** Calls `listener` when the hosts of a pool, their free memory, or the events known to that agent have changed. */
  onHosts(listener: () => void): void {
    this.#onHosts = listener;
  }

  /**
   * Returns the hosts of a pool with their free memory by the last heartbeat, and the sequence of the last event that
   * the agent had applied then. Undefined while no heartbeat has named hosts.
   */
  hostsOf(
    chassisId: string,
  ): { readonly hosts: readonly HostRoom[]; readonly appliedSeq: number } | undefined {
    const { hosts, appliedSeq = 0 } = this.#agents.get(chassisId)?.sample ?? {};
    return hosts && { hosts, appliedSeq };
  }

  #hear(sample: ChassisSample): void {
    const agent = this.#agentOf(sample.chassisId);
    const told = ({ hosts, appliedSeq }: Partial<ChassisSample>) =>
      JSON.stringify(hosts && [hosts, appliedSeq]);
    const isNews = told(agent.sample ?? {}) !== told(sample);
    const at = { listeningSinceMs: this.#listener.sinceMs, nowMs: this.#monotonicMs() };
    agent.stats = afterHeartbeat(agent.stats, at, this.#limits);
    agent.sample = sample;
    if (isNews) this.#onHosts();
  }

  #agentOf(chassisId: string): TrackedAgent {
    const known = this.#agents.get(chassisId);
    if (known !== undefined) return known;
    const fresh = { stats: UNHEARD, sinceMs: this.#monotonicMs(), sample: undefined };
    this.#agents.set(chassisId, fresh);
    return fresh;
  }

  #evidenceOf(chassisId: string): Evidence {
    const { stats, sinceMs } = this.#agentOf(chassisId);
    const { echoAtMs } = this.#listener;
    return { stats, sinceMs: Math.max(sinceMs, this.#listener.sinceMs), echoAtMs };
  }
}
