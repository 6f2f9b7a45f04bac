/**
 * Who goes where: a pure plan out of a view of the cluster. Nothing is promised by it; the allocator disposes.
 *
 * VMs are taken in order of effective priority (`urgency.ts`), then of waiting time, then of id. Each gets the feasible chassis that
 * its policy scores highest (`policy.ts`), ties by id; what it takes is counted for those that follow.
 *
 * Two rules bend that order, and neither delays anybody who comes first by it:
 * - Where all of one priority find room, the larger are placed before the smaller: big stones first pack tighter. The moment one of
 *   them would be left out that had room, the attempt is taken back and the older go first.
 * - A VM that fits nowhere does not hold up smaller ones behind it, until it has waited {@link HOLD_AFTER_MS}: then the chassis that
 *   lacks least for it is kept for it. Nobody knows when running VMs end, so anything put there may delay it; what is missing there
 *   only shrinks, so its turn comes. At most one chassis in {@link CHASSIS_PER_HOLD} is kept, so that the cluster goes on working.
 */
import {
  MAX_RECORDED_CANDIDATES,
  type PlacementDecision,
  type PlacementRefusal,
  type Quota,
  wants,
} from "@bioxen/contracts";
import { FullnessIndex } from "./fullness-index.ts";
import { DEFAULT_POLICY, type PlacementPolicy, policyOf } from "./policy.ts";
import { QuotaRooms } from "./quota-room.ts";
import { type FitQuery, RoomIndex, scoreOf } from "./room-index.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";
import { byAge, classesOf } from "./urgency.ts";
import {
  type Candidate,
  candidatesOf,
  refusalCounts,
  refusalsOf,
  type Scored,
  summarizeVerdicts,
  type VerdictSummary,
} from "./verdict-summary.ts";

/** Events gather this long before a plan is made, ms: a burst of starts is planned together. */
export const GATHER_MS = 2;
/**
 * A VM that fits nowhere keeps a chassis after this long, ms. Shorter idles chassis for VMs that a usual end would have served;
 * longer lets small VMs take every gap for longer.
 */
export const HOLD_AFTER_MS = 60_000;
/** One chassis in this many may be kept for a VM that waits, at least one. */
export const CHASSIS_PER_HOLD = 10;

export interface Placement {
  readonly vm: WaitingVm;
  readonly chassisId: string;
  readonly score: number;
  readonly decision: PlacementDecision;
}

export interface Deferral {
  readonly vmId: string;
  readonly reasons: readonly PlacementRefusal[];
}

export interface Plan {
  readonly placements: readonly Placement[];
  readonly deferrals: readonly Deferral[];
  readonly scores: Readonly<Record<string, readonly Candidate[]>>;
}

export interface PlanOptions {
  /** Of VMs that choose none. */
  readonly policy?: PlacementPolicy;
  /** Now; absent: nobody has aged. */
  readonly nowMs?: number;
  /** What of them is charged is held; the rest is what may be placed. */
  readonly quotas?: Iterable<Quota>;
  /** VMs whose scores name every chassis, however many there are. */
  readonly inFull?: ReadonlySet<string>;
}

export function planPlacements(
  waiting: readonly WaitingVm[],
  chassis: readonly ChassisRoom[],
  options: PlanOptions = {},
): Plan {
  const planner = new Planner(waiting, chassis, options);
  for (const vms of classesOf(waiting, options.nowMs ?? Number.NEGATIVE_INFINITY)) planner.placeClass(vms);
  planner.placeFollowers();
  return planner.plan();
}

/** Every chassis with its score for this VM alone, or its refusal. */
export function candidatesFor(
  vm: WaitingVm,
  rooms: readonly ChassisRoom[],
  policy: PlacementPolicy = DEFAULT_POLICY,
): readonly Candidate[] {
  return planPlacements([vm], rooms, { policy, inFull: new Set([vm.vmId]) }).scores[vm.vmId] ?? [];
}

const NEEDS = new WeakMap<WaitingVm, string>();

/** Equal for VMs that fit in the same rooms, equally well, as long as nobody cares who is where. */
function needsOf(vm: WaitingVm): string {
  let needs = NEEDS.get(vm);
  if (needs === undefined) {
    const { vmType, request, placement, excludeChassisIds } = vm;
    needs = JSON.stringify([vmType, Object.entries(request).sort(), placement, excludeChassisIds ?? []]);
    NEEDS.set(vm, needs);
  }
  return needs;
}

/** VMs with equal needs: what was found out for one holds for the next. */
interface Group {
  readonly query: FitQuery;
  /** Why none of them fits any more: rooms only shrink while a plan is made. */
  hopeless:
    | { readonly reasons: readonly PlacementRefusal[]; readonly candidates: readonly Candidate[] }
    | undefined;
}

class Planner {
  readonly #index: RoomIndex;
  readonly #options: PlanOptions;
  readonly #policy: PlacementPolicy;
  readonly #fullness: FullnessIndex;
  readonly #quotas: QuotaRooms;
  readonly #groups = new Map<string, Group>();
  /** The verdicts of all chassis on the VM that is looked at. */
  readonly #verdicts: Int32Array;
  #placements: Placement[] = [];
  readonly #deferrals: { readonly vm: WaitingVm; readonly reasons: Deferral["reasons"] }[] = [];
  readonly #scores: Record<string, readonly Candidate[]> = {};

  constructor(waiting: readonly WaitingVm[], chassis: readonly ChassisRoom[], options: PlanOptions) {
    this.#options = options;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    this.#index = new RoomIndex(chassis, waiting);
    this.#fullness = new FullnessIndex(this.#index);
    this.#quotas = new QuotaRooms(options.quotas);
    this.#verdicts = new Int32Array(this.#index.rooms.length);
  }

  plan(): Plan {
    const deferrals = this.#deferrals.map(({ vm: { vmId }, reasons }) => ({ vmId, reasons }));
    return { placements: this.#placements, deferrals, scores: this.#scores };
  }

  /** VMs of one effective priority, in order of age. */
  placeClass(all: readonly WaitingVm[]): void {
    // Quotas only shrink while a plan is made: who has no room under one now has none later.
    const vms: WaitingVm[] = [];
    for (const vm of all) {
      if (this.#quotas.misfitOf(vm) === undefined) vms.push(vm);
      else this.#defer(vm);
    }
    if (vms.length > 1 && this.#placeAll(this.#largestFirst(vms))) return;
    for (const vm of vms) if (!this.#place(vm)) this.#defer(vm);
  }

  /** All of them that have room now, or nothing changes and the answer is no. */
  #placeAll(vms: readonly WaitingVm[]): boolean {
    const mark = this.#index.mark();
    const quotaMark = this.#quotas.mark();
    const placed = this.#placements.length;
    const without: WaitingVm[] = [];
    const unfit = new Set<Group>();
    for (const vm of vms) {
      const group = this.#groupOf(vm);
      // Its quota had room before others of its class took it.
      const isOverQuota = this.#quotas.misfitOf(vm) !== undefined;
      if (!unfit.has(group) && this.#place(vm)) continue;
      // Who came first may be who keeps it away: told apart from having no room only by the order of age.
      const hadRoom =
        isOverQuota || this.#index.affinity.hasTerms || this.#index.fittedAt(mark, { ...group.query, vm });
      if (this.#hasAged(vm) || (!unfit.has(group) && hadRoom)) {
        this.#index.rollback(mark);
        this.#quotas.rollback(quotaMark);
        this.#placements = this.#placements.slice(0, placed);
        return false;
      }
      unfit.add(group);
      without.push(vm);
    }
    for (const vm of without.sort(byAge)) this.#defer(vm);
    return true;
  }

  /** By the share of the whole cluster's offer that the scarcest resource of a VM is. */
  #largestFirst(vms: readonly WaitingVm[]): WaitingVm[] {
    const sizes = new Map(vms.map((vm) => [vm, this.#index.sizeOf(this.#groupOf(vm).query)]));
    return [...vms].sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0) || byAge(a, b));
  }

  /**
   * Those that were to be with somebody who was placed only after they were looked at. The rest of a longer chain is placed by the
   * next plan.
   */
  placeFollowers(): void {
    const isFollower = (vm: WaitingVm) => wants(vm).near.length > 0;
    const deferred = this.#deferrals.splice(0);
    for (const deferral of deferred) {
      const { vm } = deferral;
      const group = this.#groupOf(vm);
      if (isFollower(vm)) group.hopeless = undefined;
      if (!isFollower(vm) || !this.#place(vm)) this.#deferrals.push(deferral);
    }
  }

  #place(vm: WaitingVm): boolean {
    const group = this.#groupOf(vm);
    if (group.hopeless !== undefined || this.#quotas.misfitOf(vm) !== undefined) return false;
    const query = { ...group.query, vm };
    const inFull = this.#options.inFull?.has(vm.vmId) === true;
    const summary = (inFull ? undefined : this.#fullness.search(query)) ?? this.#judgeAll(query);
    const [best] = summary.best;
    if (best === undefined) return false;
    this.#scores[vm.vmId] = candidatesOf(this.#index, query, this.#verdicts, summary, inFull);
    this.#index.take(best.at, query, vm);
    this.#quotas.take(vm);
    this.#placements.push(this.#placementOf(vm, query, summary, best));
    return true;
  }

  #placementOf(
    vm: WaitingVm,
    { policy }: FitQuery,
    summary: VerdictSummary,
    { at, rank }: Scored,
  ): Placement {
    const named = ({ at: place, rank: own }: Scored) => ({
      chassisId: (this.#index.rooms[place] as ChassisRoom).chassisId,
      score: scoreOf(own),
    });
    const chosen = named({ at, rank });
    const decision = {
      policy: policy.name,
      policyVersion: policy.version,
      score: chosen.score,
      candidates: summary.best.slice(0, MAX_RECORDED_CANDIDATES).map(named),
      looked: summary.looked,
      fitting: summary.fitting,
      refused: refusalCounts(this.#index, summary),
    };
    return { vm, ...chosen, decision };
  }

  #defer(vm: WaitingVm): void {
    const group = this.#groupOf(vm);
    const inFull = this.#options.inFull?.has(vm.vmId) === true;
    const overQuota = this.#quotas.misfitOf(vm);
    if (overQuota !== undefined) {
      // No chassis is kept for it: a larger one would serve it no sooner.
      this.#scores[vm.vmId] = inFull ? this.#whyNot({ ...group.query, vm }, inFull).candidates : [];
      this.#deferrals.push({ vm, reasons: [{ chassisId: null, ...overQuota }] });
      return;
    }
    if (group.hopeless === undefined || inFull) group.hopeless = this.#whyNot({ ...group.query, vm }, inFull);
    this.#scores[vm.vmId] = group.hopeless.candidates;
    this.#deferrals.push({ vm, reasons: group.hopeless.reasons });
    if (this.#hasAged(vm)) this.#keepChassisFor(vm, group.query);
  }

  #whyNot(query: FitQuery, inFull: boolean): NonNullable<Group["hopeless"]> {
    const index = this.#index;
    if (index.rooms.length === 0) {
      const message = "no chassis is registered";
      return { reasons: [{ chassisId: null, code: "CHASSIS_NOT_FOUND", message }], candidates: [] };
    }
    const summary = this.#judgeAll(query);
    return {
      reasons: refusalsOf(index, query, this.#verdicts, summary),
      candidates: candidatesOf(index, query, this.#verdicts, summary, inFull),
    };
  }

  #judgeAll(query: FitQuery): VerdictSummary {
    this.#index.judge(query, this.#verdicts);
    return summarizeVerdicts(this.#verdicts, this.#index.resources.length);
  }

  #hasAged(vm: WaitingVm): boolean {
    return (this.#options.nowMs ?? Number.NEGATIVE_INFINITY) - vm.waitingSinceMs >= HOLD_AFTER_MS;
  }

  #keepChassisFor(vm: WaitingVm, query: FitQuery): void {
    const index = this.#index;
    if (index.holds >= Math.ceil(index.rooms.length / CHASSIS_PER_HOLD)) return;
    let least = Number.POSITIVE_INFINITY;
    let nearest: number | undefined;
    for (let at = 0; at < index.rooms.length; at += 1) {
      const shortage = index.shortageAt(at, query);
      if (shortage === undefined || shortage >= least) continue;
      least = shortage;
      nearest = at;
    }
    if (nearest !== undefined) index.hold(nearest, vm.vmId);
  }

  #needsOf(vm: WaitingVm): string {
    const { hasTerms, namedVmIds } = this.#index.affinity;
    if (!hasTerms) return needsOf(vm);
    const labels = JSON.stringify(Object.entries(vm.labels).sort());
    return `${needsOf(vm)} ${labels} ${namedVmIds.has(vm.vmId) ? vm.vmId : ""}`;
  }

  #groupOf(vm: WaitingVm): Group {
    const needs = this.#needsOf(vm);
    let group = this.#groups.get(needs);
    if (group === undefined) {
      const query = this.#index.queryOf(vm, policyOf(vm.placement, this.#policy));
      group = { query, hopeless: undefined };
      this.#groups.set(needs, group);
    }
    return group;
  }
}

/** The placements of a plan as proposals: per chassis, in the plan's order, at most `maxBatch` in one. None is left out. */
export function batchesOf(
  placements: readonly Placement[],
  maxBatch: number,
): { readonly chassisId: string; readonly placements: readonly Placement[] }[] {
  const perChassis = Map.groupBy(placements, (placement) => placement.chassisId);
  return [...perChassis].flatMap(([chassisId, all]) =>
    Array.from({ length: Math.ceil(all.length / maxBatch) }, (_, i) => ({
      chassisId,
      placements: all.slice(i * maxBatch, (i + 1) * maxBatch),
    })),
  );
}
