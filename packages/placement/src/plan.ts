/**
 * A plan: which VM goes to which chassis, as a pure function of a view of the cluster. The allocator decides.
 *
 * VMs are placed in order of effective priority (`urgency.ts`), then of waiting time, then of id. Each VM gets the
 * feasible chassis that its policy scores highest (`policy.ts`), ties by id, and takes its request from the room.
 *
 * Two rules change that order. Neither rule makes a VM wait for a VM that comes later in the order:
 * - Among VMs of one priority, larger VMs are placed first, which packs tighter. If that leaves out a VM that had room
 *   at first, the attempt is rolled back, and the VMs are placed by waiting time.
 * - A VM that fits nowhere does not hold up smaller VMs behind it until it has waited {@link HOLD_AFTER_MS}. Then the
 *   chassis with the smallest shortage is held for that VM. The end of running VMs cannot be predicted, so any other VM
 *   placed there could delay the waiting VM. On a held chassis the shortage only shrinks, so that the waiting VM gets
 *   its place in the end. At most one chassis in {@link CHASSIS_PER_HOLD} is held: most of the cluster stays usable.
 */
import {
  hostNeeds,
  MAX_RECORDED_CANDIDATES,
  type Misfit,
  otherModelOf,
  type PlacementDecision,
  type PlacementRefusal,
  type Quota,
  requiredTerms,
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

/** Delay from the first event that calls for a plan to the plan, ms, so that a burst of starts is planned together. */
export const GATHER_MS = 2;
/**
 * Time that a VM which fits nowhere waits until a chassis is held for it, ms. With a shorter time, chassis would stay
 * idle for VMs that soon find room anyway. With a longer one, small VMs would fill every gap for longer.
 */
export const HOLD_AFTER_MS = 60_000;
/** Number of chassis per held chassis: one tenth of all chassis, rounded up, can be held for waiting VMs. */
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
  /** By chassis id, the VM for which the chassis is held. */
  readonly holds: ReadonlyMap<string, WaitingVm>;
}

export interface PlanOptions {
  /** The policy for VMs that name none. */
  readonly policy?: PlacementPolicy;
  /** The present time, ms. Without it, no VM has aged. */
  readonly nowMs?: number;
  /** The quotas. VMs are placed only within the amounts that are not charged yet. */
  readonly quotas?: Iterable<Quota>;
  /** The labels of quotas that can charge no VM at present, each with the reason. */
  readonly closedQuotas?: ReadonlyMap<string, Misfit>;
  /** VMs for which the plan lists every chassis, in clusters of any size. */
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

/** Returns every chassis with its score for this VM, or with its refusal. Other waiting VMs are ignored. */
export function candidatesFor(
  vm: WaitingVm,
  rooms: readonly ChassisRoom[],
  policy: PlacementPolicy = DEFAULT_POLICY,
): readonly Candidate[] {
  return planPlacements([vm], rooms, { policy, inFull: new Set([vm.vmId]) }).scores[vm.vmId] ?? [];
}

const NEEDS = new WeakMap<WaitingVm, string>();

/** Returns a key that is equal for VMs with the same chassis and scores, in a plan without affinity terms. */
function needsOf(vm: WaitingVm): string {
  const known = NEEDS.get(vm);
  if (known !== undefined) return known;
  const { vmType, request, config, placement, excludeChassisIds = [], heldOff = null } = vm;
  const amounts = [request, hostNeeds(request, config)].map((one) => Object.entries(one).sort());
  const where = [vmType, otherModelOf(config), placement, excludeChassisIds, heldOff];
  const needs = JSON.stringify([amounts, where]);
  NEEDS.set(vm, needs);
  return needs;
}

/** VMs with equal needs. They share one query and, once no chassis fits, one list of reasons. */
interface Group {
  readonly query: FitQuery;
  /**
   * The reasons why no chassis takes these VMs; undefined until all chassis have refused them. The reasons are final,
   * because rooms only shrink while a plan is made.
   */
  unfit:
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
  /** The verdicts of all chassis on the VM that is being placed. */
  readonly #verdicts: Int32Array;
  #placements: Placement[] = [];
  readonly #deferrals: { readonly vm: WaitingVm; readonly reasons: Deferral["reasons"] }[] = [];
  readonly #scores: Record<string, readonly Candidate[]> = {};

  constructor(waiting: readonly WaitingVm[], chassis: readonly ChassisRoom[], options: PlanOptions) {
    this.#options = options;
    this.#policy = options.policy ?? DEFAULT_POLICY;
    this.#index = new RoomIndex(chassis, waiting);
    this.#fullness = new FullnessIndex(this.#index);
    this.#quotas = new QuotaRooms(options.quotas, options.closedQuotas);
    this.#verdicts = new Int32Array(this.#index.rooms.length);
  }

  plan(): Plan {
    const deferrals = this.#deferrals.map(({ vm: { vmId }, reasons }) => ({ vmId, reasons }));
    return { placements: this.#placements, deferrals, scores: this.#scores, holds: this.#index.held() };
  }

  /** Places VMs of one effective priority, given in order of age. */
  placeClass(all: readonly WaitingVm[]): void {
    // Room under a quota only shrinks while a plan is made: a VM that a quota refuses now is refused later too.
    const vms: WaitingVm[] = [];
    for (const vm of all) {
      if (this.#quotas.misfitOf(vm) === undefined) vms.push(vm);
      else this.#defer(vm);
    }
    if (vms.length > 1 && this.#placeAll(this.#largestFirst(vms))) return;
    for (const vm of vms) if (!this.#place(vm)) this.#defer(vm);
  }

  /**
   * Places these VMs in the given order, defers those without room, and returns true. Returns false and changes nothing
   * when that would leave out a VM that had room at the beginning, or that has waited for {@link HOLD_AFTER_MS}.
   */
  #placeAll(vms: readonly WaitingVm[]): boolean {
    const mark = this.#index.mark();
    const quotaMark = this.#quotas.mark();
    const placed = this.#placements.length;
    const deferred: WaitingVm[] = [];
    const unfitGroups = new Set<Group>();
    for (const vm of vms) {
      const group = this.#groupOf(vm);
      // True when other VMs of the same priority have taken the room under the VM's quota in this attempt.
      const isOverQuota = this.#quotas.misfitOf(vm) !== undefined;
      if (!unfitGroups.has(group) && this.#place(vm)) continue;
      // With affinity terms, a VM that was placed earlier in this attempt can keep this VM out. The VM then counts as
      // having had room, and the attempt in order of age shows whether room is really missing.
      const hadRoom =
        isOverQuota || this.#index.affinity.hasTerms || this.#index.fittedAt(mark, { ...group.query, vm });
      if (this.#hasAged(vm) || (!unfitGroups.has(group) && hadRoom)) {
        this.#index.rollback(mark);
        this.#quotas.rollback(quotaMark);
        this.#placements = this.#placements.slice(0, placed);
        return false;
      }
      unfitGroups.add(group);
      deferred.push(vm);
    }
    for (const vm of deferred.sort(byAge)) this.#defer(vm);
    return true;
  }

  /**
   * Returns the VMs by size, the largest first. For each resource, a VM requests a share of the cluster's whole offer;
   * the size of the VM is the largest of these shares.
   */
  #largestFirst(vms: readonly WaitingVm[]): WaitingVm[] {
    const sizes = new Map(vms.map((vm) => [vm, this.#index.sizeOf(this.#groupOf(vm).query)]));
    return [...vms].sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0) || byAge(a, b));
  }

  /**
   * Tries the deferred VMs with required affinity again: the VM that they must be near may have been placed since. If
   * such VMs depend on each other in a chain, the next plans place the rest of the chain.
   */
  placeFollowers(): void {
    const isFollower = (vm: WaitingVm) => requiredTerms(vm).near.length > 0;
    const deferred = this.#deferrals.splice(0);
    for (const deferral of deferred) {
      const { vm } = deferral;
      const group = this.#groupOf(vm);
      if (isFollower(vm)) group.unfit = undefined;
      if (!isFollower(vm) || !this.#place(vm)) this.#deferrals.push(deferral);
    }
  }

  #place(vm: WaitingVm): boolean {
    const group = this.#groupOf(vm);
    if (group.unfit !== undefined || this.#quotas.misfitOf(vm) !== undefined) return false;
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
      // No chassis is held for this VM, because more room on a chassis would not help.
      this.#scores[vm.vmId] = inFull ? this.#whyNot({ ...group.query, vm }, inFull).candidates : [];
      this.#deferrals.push({ vm, reasons: [{ chassisId: null, ...overQuota }] });
      return;
    }
    if (group.unfit === undefined || inFull) group.unfit = this.#whyNot({ ...group.query, vm }, inFull);
    this.#scores[vm.vmId] = group.unfit.candidates;
    this.#deferrals.push({ vm, reasons: group.unfit.reasons });
    if (this.#hasAged(vm)) this.#holdChassisFor(vm, group.query);
  }

  #whyNot(query: FitQuery, inFull: boolean): NonNullable<Group["unfit"]> {
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

  #holdChassisFor(vm: WaitingVm, query: FitQuery): void {
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
    if (nearest !== undefined) index.hold(nearest, vm);
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
      group = { query, unfit: undefined };
      this.#groups.set(needs, group);
    }
    return group;
  }
}

/**
 * Divides the placements of a plan into proposals: each for one chassis, in the plan's order, with at most `maxBatch`
 * placements.
 */
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
