/**
 * Failure detector: decides from heartbeats and from silence whether the agent of a chassis is alive.
 *
 * A silent agent may be dead, cut off or slow, and the detector cannot distinguish these cases. Silence therefore has
 * two limits. After the first limit the agent is `suspect`, which costs little: new VMs go to other chassis. After the
 * second limit the agent is `lost`, and its VMs move. Both limits are longer on a path that delays or drops heartbeats.
 *
 * Silence counts only while a heartbeat could have arrived. The listener sends test messages (echoes) to itself over
 * the same server. A gap between echoes (a stalled process, a cut connection, a restarted server) proves that no
 * heartbeat could have been received. The silence of every agent then restarts at zero. Silence before `sinceMs`, when
 * this process took up its present role, does not count either.
 *
 * The functions read no clock: every instant is an argument, in milliseconds of the caller's monotonic clock. Not
 * covered: a network that carries the echoes but drops the messages of one agent. The detector declares that agent
 * lost, and the agent holds its guests by itself once the log does not answer its queries
 * (`services/chassis-agent/src/domain/self-fence.ts`).
 */
import { SAMPLE_INTERVAL_MS } from "@bioxen/contracts";
import { invariant } from "@bioxen/kernel";

export type Verdict = "unknown" | "alive" | "suspect" | "lost";

/** Statistics of the heartbeats of one agent; instants and times in ms. */
export interface HeartbeatStats {
  /** Instant of the last heartbeat; null before the first. */
  readonly heardAtMs: number | null;
  /** Smoothed interval between heartbeats, ms. */
  readonly intervalMs: number;
  /** Smoothed deviation of the intervals from `intervalMs`, ms. */
  readonly deviationMs: number;
  /** Start of the present span without suspicious silence, ms; null before the first heartbeat. */
  readonly steadySinceMs: number | null;
}

export interface DetectorLimits {
  /**
   * Shortest silence that makes an agent suspect, ms. It applies while every heartbeat arrives on time; on a worse path
   * the limit grows.
   */
  readonly suspectAfterMs: number;
  /**
   * Shortest silence that makes an agent lost, ms. It applies while every heartbeat arrives on time; on a worse path
   * the limit grows.
   */
  readonly lostAfterMs: number;
}

/** The heartbeats of one agent and the span in which its silence counts. */
export interface Evidence {
  readonly stats: HeartbeatStats;
  /** Instant since which the listener would have received every heartbeat of this agent, without a gap, ms. */
  readonly sinceMs: number;
  /**
   * End of the span, ms: the instant at which the listener last received a test message that it sent to itself. Later
   * silence does not count, because heartbeats may have failed to reach the listener.
   */
  readonly echoAtMs: number;
}

/** Weight of a new interval in the smoothed one (RFC 6298): a changed rhythm prevails after about eight heartbeats. */
const GAIN = 1 / 8;
/**
 * The longest expected interval between heartbeats is the smoothed interval plus this number of smoothed deviations
 * (RFC 6298).
 */
const DEVIATIONS = 4;
/**
 * Longest expected interval between heartbeats, ms, for which the path counts as sound. Beyond it the limits on silence
 * grow in proportion.
 */
const SOUND_INTERVAL_MS = 1.25 * SAMPLE_INTERVAL_MS;
/**
 * Largest factor by which the limits grow. With the default limit, an agent on the worst path counts as lost after one
 * minute of silence.
 */
export const MOST_STRETCH = 6;
/** Factor on `lostAfterMs` of an agent without any heartbeat yet: it may be starting together with the whole stack. */
export const UNHEARD_STRETCH = 3;

export const UNHEARD: HeartbeatStats = {
  heardAtMs: null,
  intervalMs: SAMPLE_INTERVAL_MS,
  deviationMs: 0,
  steadySinceMs: null,
};

/**
 * Returns the statistics of an agent's heartbeats after one more heartbeat at `nowMs`.
 *
 * `listeningSinceMs` is the instant since which the listener has heard its own echo without a gap
 * (`ListenerHealth.sinceMs`). Throws `InvariantViolation` when `nowMs` is before the previous heartbeat.
 */
export function afterHeartbeat(
  stats: HeartbeatStats,
  { listeningSinceMs, nowMs }: { readonly listeningSinceMs: number; readonly nowMs: number },
  limits: DetectorLimits,
): HeartbeatStats {
  const { heardAtMs, steadySinceMs } = stats;
  invariant(nowMs >= (heardAtMs ?? nowMs), "heartbeats are timed by a monotonic clock", { heardAtMs, nowMs });
  const wasDeaf = heardAtMs === null || heardAtMs < listeningSinceMs;
  const gapMs = heardAtMs === null ? 0 : nowMs - heardAtMs;
  // An interval in which the agent was absent, or the listener could receive nothing, says nothing about the path.
  const wasAbsent = !wasDeaf && gapMs >= timeoutsOf(stats, limits).lostAfterMs;
  const wasSteady = steadySinceMs !== null && !wasDeaf && gapMs < timeoutsOf(stats, limits).suspectAfterMs;
  const steady = { heardAtMs: nowMs, steadySinceMs: wasSteady ? steadySinceMs : nowMs };
  if (wasDeaf || wasAbsent) return { ...stats, ...steady };
  const offMs = Math.abs(gapMs - stats.intervalMs);
  return {
    ...steady,
    intervalMs: stats.intervalMs + GAIN * (gapMs - stats.intervalMs),
    deviationMs: stats.deviationMs + 2 * GAIN * (offMs - stats.deviationMs),
  };
}

/** Returns the silence, in ms, that makes this agent suspect or lost, given the rhythm of its path. */
export function timeoutsOf(stats: HeartbeatStats, limits: DetectorLimits): DetectorLimits {
  const expectedMs = stats.intervalMs + DEVIATIONS * stats.deviationMs;
  const stretch =
    stats.heardAtMs === null
      ? UNHEARD_STRETCH
      : Math.min(MOST_STRETCH, Math.max(1, expectedMs / SOUND_INTERVAL_MS));
  return {
    // An agent without any heartbeat gets no VMs in any case, so a longer limit for suspicion would gain nothing.
    suspectAfterMs: limits.suspectAfterMs * (stats.heardAtMs === null ? 1 : stretch),
    lostAfterMs: Math.round(limits.lostAfterMs * stretch),
  };
}

/**
 * Returns the silence that counts, ms: from the last heartbeat, or from `sinceMs` if that is later, to the last echo.
 */
export function silenceOf({ stats, sinceMs, echoAtMs }: Evidence): number {
  return Math.max(0, echoAtMs - Math.max(sinceMs, stats.heardAtMs ?? sinceMs));
}

export function verdictOf(evidence: Evidence, limits: DetectorLimits): Verdict {
  const silentMs = silenceOf(evidence);
  const { suspectAfterMs, lostAfterMs } = timeoutsOf(evidence.stats, limits);
  if (silentMs > lostAfterMs) return "lost";
  if (silentMs > suspectAfterMs) return "suspect";
  return evidence.stats.heardAtMs === null ? "unknown" : "alive";
}

/** The listener's own echo: instants in ms of the same clock as the heartbeats. */
export interface ListenerHealth {
  /** Start of the present span without a gap in the echo. */
  readonly sinceMs: number;
  /** Instant of the last echo. */
  readonly echoAtMs: number;
}

/** A listener without an echo for this long, ms, counts as deaf: four check intervals. */
export const DEAF_AFTER_MS = 2_000;

/**
 * Returns the listener's health after an echo at `nowMs`. Throws `InvariantViolation` when `nowMs` is before the last
 * echo.
 */
export function afterEcho(health: ListenerHealth, nowMs: number): ListenerHealth {
  const { sinceMs, echoAtMs } = health;
  invariant(nowMs >= echoAtMs, "echoes are timed by a monotonic clock", { echoAtMs, nowMs });
  return { sinceMs: nowMs - echoAtMs > DEAF_AFTER_MS ? nowMs : sinceMs, echoAtMs: nowMs };
}

/**
 * Time for which a chassis must be steady after its first loss before it takes VMs again, ms. Steady means heard
 * without suspicion.
 */
export const STEADY_BEFORE_RECOVERY_MS = 2_000;
/**
 * Each loss in a row doubles {@link STEADY_BEFORE_RECOVERY_MS}, at most this many times. A flapping chassis then
 * returns about once a minute.
 */
const MOST_DOUBLINGS = 5;
/** A loss within this time after a recovery, ms, counts as another loss in a row. */
export const FLAP_MEMORY_MS = 600_000;

/** Flap damping: returns how long a chassis must be steady, ms, after this many losses in a row. */
export function steadyBeforeRecoveryMs(lossesInARow: number): number {
  return STEADY_BEFORE_RECOVERY_MS * 2 ** Math.min(MOST_DOUBLINGS, Math.max(0, lossesInARow - 1));
}

/** Returns true when the agent has been steady for as long as its losses in a row require. */
export function isSteady({ steadySinceMs }: HeartbeatStats, lossesInARow: number, nowMs: number): boolean {
  return steadySinceMs !== null && nowMs - steadySinceMs >= steadyBeforeRecoveryMs(lossesInARow);
}
