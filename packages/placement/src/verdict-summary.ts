/**
 * The summary of the verdicts of all chassis on one VM: the best few chassis, and the number of refusals of each kind.
 *
 * Its length is limited for clusters of any size, because it is stored in events and read by people. Up to {@link
 * MAX_CANDIDATES} chassis are listed one by one. Of a larger cluster the best chassis are listed, or those that come
 * closest to taking the VM; the others are counted.
 */
import { mismatchOf, type PlacementDecision, type PlacementRefusal, roomFor } from "@bioxen/contracts";
import {
  AFFINITY,
  CLOSED,
  EXCLUDED,
  type FitQuery,
  HELD,
  MISMATCH,
  NO_HOST,
  PLACES,
  preferenceOf,
  REFUSED,
  type RoomIndex,
  SHORT,
  scoreOf,
} from "./room-index.ts";
import type { ChassisRoom } from "./snapshot.ts";

/** Maximum number of chassis that a plan names for one VM: one screenful. */
export const MAX_CANDIDATES = 16;

export interface Candidate {
  readonly chassisId: string;
  /** null when the chassis refuses the VM. */
  readonly score: number | null;
  /**
   * The sum of the weights of matching preferred terms, minus a fixed amount for each untolerated soft taint. It counts
   * before the score. Absent when the VM prefers nothing.
   */
  readonly preference?: number | undefined;
  readonly refusal: PlacementRefusal | null;
}

export interface VerdictSummary {
  /** The best chassis in order of rank, then of id; at most {@link MAX_CANDIDATES}. */
  readonly best: readonly Scored[];
  /** Number of chassis that were checked. The other chassis could not be among the best. */
  readonly looked: number;
  /** Number of the checked chassis that can hold the VM. */
  readonly fitting: number;
  /** Number of the checked chassis that refuse the VM, for each verdict. */
  readonly refusing: ReadonlyMap<number, number>;
}

export interface Scored {
  readonly at: number;
  readonly rank: number;
}

/** Builds a summary out of verdicts in any order. */
export class VerdictCounter {
  readonly #best: Scored[] = [];
  readonly #counts: Int32Array;
  #looked = 0;
  #fitting = 0;
  /** The lowest rank with which a chassis can still be among the best. */
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

/**
 * The kinds of refusal, nearest to acceptance first: a lack of room, then temporary obstacles, then a mismatch that
 * stays.
 */
function kindsByNearness(resources: number): number[] {
  const short = Array.from({ length: resources }, (_, r) => SHORT - r);
  return [...short, PLACES, NO_HOST, REFUSED, AFFINITY, HELD, EXCLUDED, CLOSED, MISMATCH];
}

/**
 * Returns the reasons why the VM was refused, for people: one line for each named chassis, then one line for each kind
 * of refusal of the other chassis.
 */
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
      return { code: "UNSUPPORTED", message: "do not match the placement that the VM asks for" };
    case CLOSED:
      return { code: "UNAVAILABLE", message: "take no VMs at present" };
    case EXCLUDED:
      return { code: "UNAVAILABLE", message: "are being left by the VM" };
    case NO_HOST:
      return { code: "CAPACITY_EXCEEDED", message: "have no host with room for the VM" };
    case REFUSED:
      return { code: "CAPACITY_EXCEEDED", message: "refused to start the VM for lack of room" };
    case HELD:
      return { code: "UNAVAILABLE", message: "are held for VMs that have waited longer" };
    case AFFINITY:
      return {
        code: "UNAVAILABLE",
        message: "conflict with affinity or anti-affinity of the VM or of VMs there",
      };
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

/**
 * Returns in words why one chassis refuses the VM, by the rule that the allocator applies too. Call it only for a
 * chassis that refuses the VM.
 */
function refusalAt(index: RoomIndex, at: number, query: FitQuery): PlacementRefusal {
  const { chassisId, chassis, closed } = index.rooms[at] as ChassisRoom;
  const heldFor = index.heldFor(at);
  const misfit =
    mismatchOf(query.vm, chassisId, chassis) ??
    closed ??
    (query.excluded.has(at)
      ? { code: "UNAVAILABLE", message: "is the chassis that the VM is leaving" }
      : undefined) ??
    (query.refusedAt === at && query.vm.heldOff !== undefined
      ? { code: "CAPACITY_EXCEEDED", message: query.vm.heldOff.message }
      : undefined) ??
    (heldFor !== undefined
      ? { code: "UNAVAILABLE", message: `is held for ${heldFor}, which has waited longer` }
      : undefined) ??
    roomFor(query.vm.request, index.roomAt(at)) ??
    index.hostMisfitAt(at, query) ??
    index.affinity.misfitAt(at, query.vm);
  return {
    chassisId,
    ...(misfit ?? { code: "INTERNAL", message: "refuses the VM without a reason: this is a bug" }),
  };
}

/**
 * Returns the chassis that an explanation lists: all of them in a small cluster or with `inFull`. In a large cluster,
 * returns only the best chassis. If the VM fits on no chassis, returns those closest to taking the VM.
 */
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
