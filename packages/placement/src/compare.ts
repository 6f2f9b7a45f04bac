/**
 * The result of a replay in numbers, and the differences between two replays.
 */
import type { ChassisUse } from "./use-meter.ts";
import type { Episode, VirtualCluster } from "./virtual-cluster.ts";

export interface ReplaySummary {
  /** Number of demands of all VMs. A demand is one request for a place. */
  readonly demands: number;
  readonly placed: number;
  /** Number of demands that were withdrawn, or that still wait at the end. */
  readonly unplaced: number;
  /** Sum of the waiting times of all demands, including those without a place, ms. */
  readonly totalWaitMs: number;
  readonly longestWaitMs: number;
  /** Number of VMs that lost their place because their chassis was removed. */
  readonly evictions: number;
  /** Number of resizes in the log for which the cluster of the replay had no room. */
  readonly refusedResizes: number;
  readonly chassis: readonly ChassisUse[];
}

export interface Outcome {
  readonly chassisId: string | null;
  readonly waitMs: number;
}

/**
 * A demand whose outcome differs between two replays. An outcome is null when the replay has no such demand, because it
 * did not evict the VM.
 */
export interface ReplayDifference {
  readonly vmId: string;
  readonly askedSeq: number;
  readonly askedAtMs: number;
  readonly baseline: Outcome | null;
  readonly alternative: Outcome | null;
}

/**
 * How closely the baseline reproduces the recorded decisions. The comparison of the alternative with the baseline is
 * only as reliable as this reproduction.
 */
export interface Reproduction {
  /** Number of demands that the log and the baseline both decided. */
  readonly demands: number;
  /** Number of `demands` with the same outcome in the log and in the baseline: the same chassis, or no chassis. */
  readonly sameChassis: number;
  /** `sameChassis` in thousandths of `demands`, rounded down; 1000 when there was no demand to decide. */
  readonly permille: number;
  /** Total waiting time in the baseline minus the total waiting time in the log, ms. */
  readonly waitDifferenceMs: number;
}

export interface ReplayReport {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly events: number;
  readonly spanMs: number;
  readonly recorded: ReplaySummary;
  readonly baseline: ReplaySummary;
  readonly alternative: ReplaySummary;
  readonly reproduction: Reproduction;
  readonly differences: readonly ReplayDifference[];
}

const decided = (episodes: readonly Episode[]) => episodes.filter((episode) => !episode.carried);

function outcomeOf(episode: Episode, endMs: number): Outcome {
  const { chassisId, askedAtMs, placedAtMs, endedAtMs, carried } = episode;
  return { chassisId, waitMs: carried ? 0 : (placedAtMs ?? endedAtMs ?? endMs) - askedAtMs };
}

export function summaryOf(cluster: VirtualCluster, endMs: number): ReplaySummary {
  const demands = decided(cluster.episodes);
  const waits = demands.map((episode) => outcomeOf(episode, endMs).waitMs);
  const placed = demands.filter((episode) => episode.chassisId !== null).length;
  return {
    demands: demands.length,
    placed,
    unplaced: demands.length - placed,
    totalWaitMs: waits.reduce((sum, wait) => sum + wait, 0),
    longestWaitMs: waits.reduce((longest, wait) => Math.max(longest, wait), 0),
    evictions: cluster.evictions,
    refusedResizes: cluster.refusedResizes,
    chassis: cluster.use(endMs),
  };
}

const keyOf = ({ vmId, askedSeq }: Episode) => `${askedSeq} ${vmId}`;
const byKey = (episodes: readonly Episode[]) => new Map(episodes.map((episode) => [keyOf(episode), episode]));

export function compare(
  recorded: readonly Episode[],
  baseline: readonly Episode[],
  alternative: readonly Episode[],
  endMs: number,
): Pick<ReplayReport, "reproduction" | "differences"> {
  return {
    reproduction: reproductionOf(decided(recorded), byKey(decided(baseline)), endMs),
    differences: differencesOf(byKey(baseline), byKey(alternative), endMs),
  };
}

function reproductionOf(
  recorded: readonly Episode[],
  baseline: ReadonlyMap<string, Episode>,
  endMs: number,
): Reproduction {
  let demands = 0;
  let sameChassis = 0;
  let waitDifferenceMs = 0;
  for (const real of recorded) {
    const replayed = baseline.get(keyOf(real));
    if (replayed === undefined) continue;
    demands += 1;
    if (replayed.chassisId === real.chassisId) sameChassis += 1;
    waitDifferenceMs += outcomeOf(replayed, endMs).waitMs - outcomeOf(real, endMs).waitMs;
  }
  const permille = demands === 0 ? 1_000 : Math.floor((sameChassis * 1_000) / demands);
  return { demands, sameChassis, permille, waitDifferenceMs };
}

/** Returns the differences between two replays, in the order of the demands. */
function differencesOf(
  baseline: ReadonlyMap<string, Episode>,
  alternative: ReadonlyMap<string, Episode>,
  endMs: number,
): ReplayDifference[] {
  const all = new Map([...baseline, ...alternative]);
  const out: ReplayDifference[] = [];
  for (const [key, { vmId, askedSeq, askedAtMs }] of all) {
    const [before, after] = [baseline.get(key), alternative.get(key)].map((episode) =>
      episode === undefined ? null : outcomeOf(episode, endMs),
    );
    if (before?.chassisId === after?.chassisId && before?.waitMs === after?.waitMs) continue;
    out.push({ vmId, askedSeq, askedAtMs, baseline: before ?? null, alternative: after ?? null });
  }
  return out.sort((a, b) => a.askedSeq - b.askedSeq || (a.vmId < b.vmId ? -1 : 1));
}
