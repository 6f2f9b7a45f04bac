/**
 * Process manager of placements: plans for all waiting VMs, has the plan carried out, and reports why VMs without a
 * place still wait.
 *
 * The process is a reconciler with a single key, because a plan covers the whole cluster. A round plans, proposes one
 * batch to the ledger of each chassis, waits until the folds have the outcome, and reports the deferrals to lifecycle.
 * Reservations that an allocator refuses are planned again in the next round, on newer folds. Where VMs compete for the
 * same room, the plan is first settled by priority (`settleClaims`): some VMs are preempted, others are reinstated.
 *
 * Only the lease holder runs rounds (`leadership.ts`). No round depends on memory of an earlier round, so that a crash
 * costs one round.
 */
import { domainEventOf, type PlacementRefusal, type VmState } from "@bioxen/contracts";
import {
  type EventFeed,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
  type StoredEvent,
} from "@bioxen/kernel";
import {
  batchesOf,
  type ChassisRoom,
  GATHER_MS,
  type Placement,
  type PlacementPolicy,
  type Plan,
  type PreemptedVm,
  planPlacements,
  type Settlement,
  settleClaims,
  type WaitingVm,
} from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";
import { contendedRooms, preemptedVms } from "./contention.ts";
import { DeferralReports } from "./deferral-reports.ts";
import type { Leadership } from "./leadership.ts";
import { PreemptionCalls } from "./preemption-calls.ts";
import { MAX_BATCH, Proposals } from "./proposals.ts";
import { ReplanTriggers } from "./replan-triggers.ts";

/** The only key of the reconciler: one plan covers the whole cluster. */
const PLAN = "plan";

export class PlacementProcess {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #policy: PlacementPolicy;
  readonly #leadership: Leadership;
  readonly #reconciler: Reconciler;
  readonly #triggers: ReplanTriggers;
  readonly #proposals: Proposals;
  readonly #preemptions: PreemptionCalls;
  readonly #reports: DeferralReports;
  #feed: EventFeed | undefined;
  /** The newest round: in progress or ended. */
  #round: Promise<void> = Promise.resolve();
  /** Highest priority among the VMs that the last round left without a place; 0 when every VM has one. */
  #topDeferred = 0;

  constructor(ports: ServicePorts, cluster: Cluster, policy: PlacementPolicy, leadership: Leadership) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#policy = policy;
    this.#leadership = leadership;
    this.#triggers = new ReplanTriggers(cluster);
    this.#proposals = new Proposals(ports, cluster, leadership);
    this.#preemptions = new PreemptionCalls(ports, cluster);
    this.#reports = new DeferralReports(ports.bus, (vmId) => recordedReasons(cluster.vms.get(vmId)));
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      gatherMs: GATHER_MS,
      step: async () => {
        this.#round = this.#place();
        await this.#round;
        return this.#nextTry();
      },
      onError: (_key, thrown) =>
        ports.logger.warn({ err: thrown }, `a placement round failed: ${messageOf(thrown)}`),
    });
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
    this.#triggers.begin();
    feed.onEvent((event) => {
      if (this.#triggers.isTrigger(event, this.#topDeferred) || this.#isForeignDeferral(event)) this.wake();
    });
    feed.onReread(() => this.wake());
    this.#cluster.liveness.onHosts(() => this.wake());
    this.#leadership.onHeld(() => {
      // The previous lease holder may have reported other reasons.
      this.#reports.clear();
      this.wake();
    });
  }

  /** True for an event with reasons that this process did not report: see `DeferralReports`. */
  #isForeignDeferral({ envelope }: StoredEvent): boolean {
    const event = domainEventOf(envelope);
    return event.type === "bioxen.vm.deferred.v1" && this.#reports.isForeign(event.id, event.data.reasons);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  /** Resolves once the folds have applied the events that the present round caused, or once that round has failed. */
  settled(): Promise<void> {
    return this.#round.catch(() => undefined);
  }

  /** Schedules a round. Call it when the plan may have changed. */
  wake(): void {
    this.#reconciler.wake(PLAN);
  }

  /** Returns when the next VM that a chassis refused for lack of room may be placed there again. */
  #nextTry(): StepResult {
    const tries = this.#cluster.waiting().flatMap(({ heldOff }) => heldOff?.untilMs ?? []);
    return tries.length === 0 ? undefined : { dueAtMs: Math.min(...tries) };
  }

  async #place(): Promise<void> {
    const token = this.#leadership.token();
    if (token === undefined) return;
    const waiting = this.#cluster.waiting();
    this.#topDeferred = 0;
    const quotas = this.#cluster.quotas();
    const preempted = preemptedVms(this.#cluster, quotas);
    if (waiting.length === 0) this.#reports.clear();
    if (waiting.length === 0 && preempted.length === 0) return;
    const rooms = this.#cluster.rooms();
    const plan = planPlacements(waiting, rooms, {
      policy: this.#policy,
      quotas,
      closedQuotas: this.#cluster.closedQuotas(),
      nowMs: this.#ports.clock.nowMs(),
    });
    const acts = () => this.#leadership.token() === token;
    const seq = await this.#carryOut(this.#settle(plan, waiting, rooms, preempted), token, acts);
    await this.#feed?.applied(seq);
    if (this.#cluster.isLivenessKnown()) await this.#reports.report(plan.deferrals, waiting, acts);
  }

  #settle(
    plan: Plan,
    waiting: readonly WaitingVm[],
    rooms: readonly ChassisRoom[],
    preempted: readonly PreemptedVm[],
  ): Settlement {
    const deferred = new Set(plan.deferrals.map(({ vmId }) => vmId));
    for (const { vmId, priority } of waiting) {
      if (deferred.has(vmId)) this.#topDeferred = Math.max(this.#topDeferred, priority);
    }
    if (deferred.size === 0 && preempted.length === 0) {
      return { placements: plan.placements, heldBack: [], preemptions: [], reinstatements: [] };
    }
    const contended = contendedRooms(this.#cluster, rooms, this.#topDeferred);
    return settleClaims(plan, waiting, contended, preempted, { mayPreempt: this.#cluster.isLivenessKnown() });
  }

  /**
   * Makes all calls of the settlement at once, and returns the sequence of the newest event that these calls caused.
   */
  async #carryOut(
    { placements, preemptions, reinstatements }: Settlement,
    token: number,
    acts: () => boolean,
  ): Promise<number> {
    const planId = this.#ports.ids.next();
    const batches = batchesOf(withinSlots(placements, this.#cluster.occupancy.moveSlots()), MAX_BATCH);
    const seqs = await Promise.all([
      ...batches.map((batch) =>
        this.#propose({ token, planId, chassisId: batch.chassisId }, batch.placements),
      ),
      ...reinstatements.map((vm) => this.#preemptions.reinstate(vm)),
      ...preemptions.map((preemption) => this.#preemptions.preempt(preemption, acts)),
    ]);
    return Math.max(0, ...seqs);
  }

  async #propose(
    proposal: { token: number; planId: string; chassisId: string },
    placements: readonly Placement[],
  ): Promise<number> {
    const { seq, refused } = await this.#proposals.propose(proposal, placements);
    if (refused > 0) this.wake();
    return seq;
  }
}

/**
 * Returns the placements without the moves that exceed the parallelism of a drain. Later rounds place the VMs of the
 * omitted moves. `slots` has, by draining chassis, the number of further moves allowed; each move lowers that number.
 */
function withinSlots(placements: readonly Placement[], slots: Map<string, number>): readonly Placement[] {
  if (slots.size === 0) return placements;
  return placements.filter(({ vm: { excludeChassisIds = [] } }) =>
    excludeChassisIds.every((from) => {
      const left = slots.get(from);
      if (left === undefined) return true;
      slots.set(from, left - 1);
      return left > 0;
    }),
  );
}

/** Returns the reasons, recorded in the log, why the VM has no place, or why its move has no target. */
function recordedReasons(vm: VmState): readonly PlacementRefusal[] {
  if (!vm.exists) return [];
  return vm.migration === null ? vm.refusals : vm.migration.refusals;
}
