/**
 * What the verdicts of all chassis on one VM come to: the best few, and how many refuse it for which kind of reason.
 *
 * Bounded whatever the cluster: nobody reads ten thousand lines, and no event may carry them. Up to {@link MAX_CANDIDATES} chassis
 * are listed one by one; of more, the best or the nearest to taking it, and the rest as counts.
 */
import { mismatchOf, type PlacementDecision, type PlacementRefusal, roomFor } from "@bioxen/contracts";
import {
  AFFINITY,
  CLOSED,
  EXCLUDED,
  type FitQuery,
  HELD,
  MISMATCH,
  PLACES,
  preferenceOf,
  type RoomIndex,
  SHORT,
  scoreOf,
} from "./room-index.ts";
import type { ChassisRoom } from "./snapshot.ts";

/** Chassis of one VM that a plan speaks of by name: a screenful. */
export const MAX_CANDIDATES = 16;

export interface Candidate {
  readonly chassisId: string;
  /** null: refused. */
  readonly score: number | null;
  /** What preferred terms and taints add; goes before the score. Absent: nothing is preferred. */
  readonly preference?: number | undefined;
  readonly refusal: PlacementRefusal | null;
}

export interface VerdictSummary {
  /** The best in order of rank, then of id; at most {@link MAX_CANDIDATES}. */
  readonly best: readonly Scored[];
  /** Chassis that were looked at; of the others none could have been among the best. */
  readonly looked: number;
  /** Of these, those that can hold it. */
  readonly fitting: number;
  /** Of these, by kind of verdict, those that refuse. */
  readonly refusing: ReadonlyMap<number, number>;
}

export interface Scored {
  readonly at: number;
  readonly rank: number;
}

/** A summary in the making: verdicts in any order. */
export class VerdictCounter {
  readonly #best: Scored[] = [];
  readonly #counts: Int32Array;
  #looked = 0;
  #fitting = 0;
  /** What a rank must not be below to be among the best. */
  bar = 0;

  constructor(resources: number) {
    this.#counts = new Int32Array(resources - SHORT);
  }

  add(at: number, verdict: number): void {
    this.#looked += 1;
    if (verdict < 0) {
      const kind = -1 - verdict;
      this.#counts[kind] = (this.#counts[kind] as number) + 1;
      return;
    }
    this.#fitting += 1;
    if (verdict >= this.bar) this.#keep({ at, rank: verdict });
  }

  #keep(one: Scored): void {
    const best = this.#best;
    let place = best.length;
    while (place > 0 && isBetter(one, best[place - 1] as Scored)) place -= 1;
    if (place === MAX_CANDIDATES) return;
    best.splice(place, 0, one);
    if (best.length > MAX_CANDIDATES) best.pop();
    if (best.length === MAX_CANDIDATES) this.bar = (best[MAX_CANDIDATES - 1] as Scored).rank;
  }

  summary(): VerdictSummary {
    const refusing = new Map<number, number>();
    for (const [kind, count] of this.#counts.entries()) if (count > 0) refusing.set(-1 - kind, count);
    return { best: this.#best, looked: this.#looked, fitting: this.#fitting, refusing };
  }
}

function isBetter(a: Scored, b: Scored): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.at < b.at);
}

export function summarizeVerdicts(verdicts: Int32Array, resources: number): VerdictSummary {
  const counter = new VerdictCounter(resources);
  for (let at = 0; at < verdicts.length; at += 1) counter.add(at, verdicts[at] as number);
  return counter.summary();
}

/** Nearest to taking it first: short of room, then those that hindrances of the moment keep, then those that never will. */
function kindsByNearness(resources: number): number[] {
  const short = Array.from({ length: resources }, (_, r) => SHORT - r);
  return [...short, PLACES, AFFINITY, HELD, EXCLUDED, CLOSED, MISMATCH];
}

/** What a person is told of the cluster by one summary: lines for chassis, then for kinds of chassis. */
export function refusalsOf(
  index: RoomIndex,
  query: FitQuery,
  verdicts: Int32Array,
  summary: VerdictSummary,
): PlacementRefusal[] {
  const named = refusersByName(index, verdicts);
  const lines = named.map((at) => refusalAt(index, at, query));
  const left = new Map(summary.refusing);
  for (const at of named) {
    const verdict = verdicts[at] as number;
    left.set(verdict, (left.get(verdict) ?? 0) - 1);
  }
  for (const kind of kindsByNearness(index.resources.length)) {
    const chassisCount = left.get(kind) ?? 0;
    if (chassisCount === 0) continue;
    const { code, message, resource } = kindOf(index, kind);
    const words = `${chassisCount} more chassis: ${message}`;
    lines.push({ chassisId: null, code, message: words, ...(resource && { resource }), chassisCount });
  }
  return lines;
}

function refusersByName(index: RoomIndex, verdicts: Int32Array): number[] {
  const named: number[] = [];
  if (index.rooms.length <= MAX_CANDIDATES) {
    for (const [at, verdict] of verdicts.entries()) if (verdict < 0) named.push(at);
    return named;
  }
  for (const kind of kindsByNearness(index.resources.length)) {
    for (let at = 0; at < verdicts.length && named.length < MAX_CANDIDATES; at += 1) {
      if (verdicts[at] === kind) named.push(at);
    }
  }
  return named;
}

export function refusalCounts(index: RoomIndex, summary: VerdictSummary): PlacementDecision["refused"] {
  return [...summary.refusing].map(([kind, chassisCount]) => {
    const { code, resource } = kindOf(index, kind);
    return { code, ...(resource && { resource }), chassisCount };
  });
}

function kindOf(index: RoomIndex, kind: number): { code: string; message: string; resource?: string } {
  switch (kind) {
    case MISMATCH:
      return { code: "UNSUPPORTED", message: "are not what the VM asks for" };
    case CLOSED:
      return { code: "UNAVAILABLE", message: "take nobody now" };
    case EXCLUDED:
      return { code: "UNAVAILABLE", message: "are to be left by it" };
    case HELD:
      return { code: "UNAVAILABLE", message: "are kept for VMs that have waited longer" };
    case AFFINITY:
      return { code: "UNAVAILABLE", message: "have not the company it is to have" };
    case PLACES:
      return {
        code: "CAPACITY_EXCEEDED",
        message: "all places for VMs are taken",
        resource: "maxVms",
      };
    default: {
      const resource = index.resources[SHORT - kind] as string;
      return { code: "CAPACITY_EXCEEDED", message: `not enough ${resource}`, resource };
    }
  }
}

/** In words, by the rule that the allocator applies too. The chassis must be one that refuses. */
function refusalAt(index: RoomIndex, at: number, query: FitQuery): PlacementRefusal {
  const { chassisId, chassis, closed } = index.rooms[at] as ChassisRoom;
  const keptFor = index.heldFor(at);
  const misfit =
    mismatchOf(query.vm, chassisId, chassis) ??
    closed ??
    (query.excluded.has(at) ? { code: "UNAVAILABLE", message: "is the one it is to leave" } : undefined) ??
    (keptFor !== undefined
      ? { code: "UNAVAILABLE", message: `is kept for ${keptFor}, which has waited longer` }
      : undefined) ??
    roomFor(query.vm.request, index.roomAt(at)) ??
    index.affinity.misfitAt(at, query.vm);
  return { chassisId, ...(misfit ?? { code: "INTERNAL", message: "refuses without a reason" }) };
}

/** Every chassis of a small cluster; of a large one the best, or where none fits those that are named in the refusals. */
export function candidatesOf(
  index: RoomIndex,
  query: FitQuery,
  verdicts: Int32Array,
  summary: VerdictSummary,
  inFull: boolean,
): Candidate[] {
  if (inFull || index.rooms.length <= MAX_CANDIDATES) {
    return index.rooms.map(({ chassisId }, at) => {
      const verdict = verdicts[at] as number;
      if (verdict >= 0) return candidateOf(chassisId, verdict, query);
      return { chassisId, score: null, refusal: refusalAt(index, at, query) };
    });
  }
  if (summary.fitting > 0) {
    return summary.best.map(({ at, rank }) =>
      candidateOf((index.rooms[at] as ChassisRoom).chassisId, rank, query),
    );
  }
  return refusersByName(index, verdicts).map((at) => {
    const refusal = refusalAt(index, at, query);
    return { chassisId: refusal.chassisId as string, score: null, refusal };
  });
}

function candidateOf(chassisId: string, rank: number, { prefers }: FitQuery): Candidate {
  const preference = prefers ? { preference: preferenceOf(rank) } : {};
  return { chassisId, score: scoreOf(rank), ...preference, refusal: null };
}
