/**
 * What came out of a replay, in numbers, and what differs between two.
 */
import type { ChassisUse } from "./use-meter.ts";
import type { Episode, VirtualCluster } from "./virtual-cluster.ts";

export interface ReplaySummary {
  /** Times a VM asked for a place. */
  readonly demands: number;
  readonly placed: number;
  /** Gave up, or wait still. */
  readonly unplaced: number;
  /** Of all demands, those that got no place included, ms. */
  readonly totalWaitMs: number;
  readonly longestWaitMs: number;
  /** VMs that lost their place with its chassis. */
  readonly evictions: number;
  /** Resizes in the log for which there was no room here. */
  readonly refusedResizes: number;
  readonly chassis: readonly ChassisUse[];
}

export interface Outcome {
  readonly chassisId: string | null;
  readonly waitMs: number;
}

/** One demand that came out differently; null: there was no such demand (its VM was not evicted there). */
export interface ReplayDifference {
  readonly vmId: string;
  readonly askedSeq: number;
  readonly askedAtMs: number;
  readonly baseline: Outcome | null;
  readonly alternative: Outcome | null;
}

/** How far the baseline is from what really happened: the worth of all the rest. */
export interface Reproduction {
  /** Demands that were decided in both. */
  readonly demands: number;
  /** Of these, those with the chassis of the log, or without one as in the log. */
  readonly sameChassis: number;
  /** `sameChassis` of `demands`, rounded down; 1000 where there was nothing to decide. */
  readonly permille: number;
  /** Total wait of the baseline less that of the log, ms. */
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

/** In the order of asking. */
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
