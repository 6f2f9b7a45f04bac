/**
 * Is the agent of a chassis alive? What its heartbeats say, and how long they have said nothing.
 *
 * A silent agent may be dead, cut off or slow, and from here the three look alike. So there are two answers for silence:
 * `suspect` soon, which costs nothing but new VMs going elsewhere, and `lost` late, which moves VMs. Both times stretch with
 * the rhythm that was heard: on a path that delays or loses heartbeats silence means less.
 *
 * Silence counts only while it could have been broken. Whoever listens hears itself as well (its echo, over the same server); a
 * gap in that (a stalled process, a cut connection, a restarted server) proves that nobody could have been heard, and all
 * silence begins anew. Nor does it count from before `sinceMs`, when this process began to listen in its present role.
 *
 * No clock is read here: `nowMs` is the caller's, of a clock that nobody sets. What this leaves out: a network that
 * carries our echo and loses one agent's messages only. That agent is lost to us, and holds its guests by itself
 * when the log does not answer it (`services/chassis-agent/src/domain/self-fence.ts`).
 */
import { SAMPLE_INTERVAL_MS } from "@bioxen/contracts";

export type Verdict = "unknown" | "alive" | "suspect" | "lost";

/** What was heard of one agent. Times of the caller's clock, ms. */
export interface Hearing {
  readonly heardAtMs: number | null;
  /** Smoothed time between heartbeats, and by how much it varies. */
  readonly intervalMs: number;
  readonly deviationMs: number;
  /** Since when no silence was long enough for suspicion. */
  readonly steadySinceMs: number | null;
}

export interface DetectorLimits {
  /** Least silence for each answer, ms: on a path that carries every heartbeat. */
  readonly suspectAfterMs: number;
  readonly lostAfterMs: number;
}

/** Weight of one interval: a rhythm that has changed is believed after about eight of them (RFC 6298 takes the same). */
const GAIN = 1 / 8;
/** Deviations above the smoothed interval within which the next heartbeat is expected (RFC 6298). */
const DEVIATIONS = 4;
/** An expected interval up to this is a sound path, ms; beyond it limits grow in proportion. */
const SOUND_INTERVAL_MS = 1.25 * SAMPLE_INTERVAL_MS;
/** Limits grow at most so many times: with the default an agent is lost after a minute on the worst of paths. */
export const MOST_STRETCH = 6;
/** One never heard by this process may be coming up with the whole stack around it: it gets so many times as long. */
export const UNHEARD_STRETCH = 3;

export const UNHEARD: Hearing = {
  heardAtMs: null,
  intervalMs: SAMPLE_INTERVAL_MS,
  deviationMs: 0,
  steadySinceMs: null,
};

/** After a heartbeat at `nowMs`. `earSinceMs`: since when the listener could hear without a gap. */
export function afterHeartbeat(
  hearing: Hearing,
  earSinceMs: number,
  nowMs: number,
  limits: DetectorLimits,
): Hearing {
  const { heardAtMs, steadySinceMs } = hearing;
  const wasDeaf = heardAtMs === null || heardAtMs < earSinceMs;
  const gapMs = heardAtMs === null ? 0 : nowMs - heardAtMs;
  // A gap that was an absence says nothing about the rhythm of the path, nor does one in which nobody listened.
  const wasAbsent = !wasDeaf && gapMs >= timeoutsOf(hearing, limits).lostAfterMs;
  const wasSteady = steadySinceMs !== null && !wasDeaf && gapMs < timeoutsOf(hearing, limits).suspectAfterMs;
  const steady = { heardAtMs: nowMs, steadySinceMs: wasSteady ? steadySinceMs : nowMs };
  if (wasDeaf || wasAbsent) return { ...hearing, ...steady };
  const offMs = Math.abs(gapMs - hearing.intervalMs);
  return {
    ...steady,
    intervalMs: hearing.intervalMs + GAIN * (gapMs - hearing.intervalMs),
    deviationMs: hearing.deviationMs + 2 * GAIN * (offMs - hearing.deviationMs),
  };
}

/** How much silence means what, on the path as it was heard, ms. */
export function timeoutsOf(hearing: Hearing, limits: DetectorLimits): DetectorLimits {
  const expectedMs = hearing.intervalMs + DEVIATIONS * hearing.deviationMs;
  const stretch =
    hearing.heardAtMs === null
      ? UNHEARD_STRETCH
      : Math.min(MOST_STRETCH, Math.max(1, expectedMs / SOUND_INTERVAL_MS));
  return {
    // Who was never heard takes nobody either way: there is nothing to be gained by waiting with the word.
    suspectAfterMs: limits.suspectAfterMs * (hearing.heardAtMs === null ? 1 : stretch),
    lostAfterMs: Math.round(limits.lostAfterMs * stretch),
  };
}

/** Silence of an agent that counts, ms: from the last heartbeat, or from `sinceMs`, to the last moment it could have been broken. */
export function silenceOf(hearing: Hearing, sinceMs: number, echoAtMs: number): number {
  return Math.max(0, echoAtMs - Math.max(sinceMs, hearing.heardAtMs ?? sinceMs));
}

/** `sinceMs` and `echoAtMs`: silence counts between the two. */
export function verdictOf(
  hearing: Hearing,
  sinceMs: number,
  echoAtMs: number,
  limits: DetectorLimits,
): Verdict {
  const silentMs = silenceOf(hearing, sinceMs, echoAtMs);
  const { suspectAfterMs, lostAfterMs } = timeoutsOf(hearing, limits);
  if (silentMs > lostAfterMs) return "lost";
  if (silentMs > suspectAfterMs) return "suspect";
  return hearing.heardAtMs === null ? "unknown" : "alive";
}

/** The listener's own hearing: since when without a gap, and when last. */
export interface Ear {
  readonly sinceMs: number;
  readonly echoAtMs: number;
}

/** Without an echo for this long, ms, whoever listens is deaf: four looks. */
export const DEAF_AFTER_MS = 2_000;

export function afterEcho(ear: Ear, nowMs: number): Ear {
  return { sinceMs: nowMs - ear.echoAtMs > DEAF_AFTER_MS ? nowMs : ear.sinceMs, echoAtMs: nowMs };
}

/** How long a lost chassis must be heard without suspicion before it takes VMs again, ms, after its first loss. */
export const STEADY_BEFORE_RECOVERY_MS = 2_000;
/** With each loss in a row the time doubles, so many times at most: a chassis that comes and goes is used a minute apart. */
const MOST_DOUBLINGS = 5;
/** A loss this soon after a recovery, ms, is one in a row with the loss before. */
export const FLAP_MEMORY_MS = 600_000;

/** Flap damping: what a chassis must prove after so many losses in a row. */
export function steadyBeforeRecoveryMs(lossesInARow: number): number {
  return STEADY_BEFORE_RECOVERY_MS * 2 ** Math.min(MOST_DOUBLINGS, Math.max(0, lossesInARow - 1));
}

/** True when it has been heard steadily for as long as its losses ask. */
export function isSteady(hearing: Hearing, lossesInARow: number, nowMs: number): boolean {
  const { steadySinceMs } = hearing;
  return steadySinceMs !== null && nowMs - steadySinceMs >= steadyBeforeRecoveryMs(lossesInARow);
}
