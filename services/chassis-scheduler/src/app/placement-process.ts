/**
 * Turns the plan into proposals: one round at a time, woken by what can change the plan.
 *
 * A round plans for everybody who waits, proposes one batch to each chassis' ledger, waits until its own picture has
 * the outcome, and tells lifecycle why the rest waits. What the allocator refused is planned again in the
 * next round, on the newer picture. Nothing here is remembered: a crash costs a round. Where VMs press on each other, the plan is
 * settled by priority first (`settleClaims`): some give way, some get back what they gave.
 *
 * Of all instances only the holder of the lease has rounds (`leadership.ts`). Its proposals carry the lease's token, and the ledgers
 * refuse one that is older than they have seen.
 */
import { ENDPOINTS, MAX_PAGE, type PlacementRefusal, type ResultOf } from "@bioxen/contracts";
import {
  type Backoff,
  backoffDelayMs,
  type EventFeed,
  Fault,
  messageOf,
  type Reply,
  type ReplyError,
  type ServicePorts,
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
import type { Leadership } from "./leadership.ts";
import { PreemptionCalls } from "./preemption-calls.ts";
import { contendedRooms, preemptedVms } from "./pressure.ts";
import { ReplanTriggers } from "./replan-triggers.ts";

/** Deadline of one proposal or deferral, ms. */
const CALL_TIMEOUT_MS = 10_000;
/** Reservations proposed at once to one ledger: one event of 500 bytes each, 1 200 with the longest names. */
const MAX_BATCH = 250;
/** Waits after failed rounds. */
const ROUND_BACKOFF: Backoff = { firstMs: 100, ceilingMs: 5_000 };

export class PlacementProcess {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #policy: PlacementPolicy;
  readonly #leadership: Leadership;
  #feed: EventFeed | undefined;
  #running: Promise<void> | undefined;
  #wanted = false;
  #timer: { cancel(): void } | undefined;
  #failures = 0;
  #ended = false;
  /** Reasons last told to lifecycle, so that a round says only what is new. */
  readonly #told = new Map<string, string>();
  readonly #calls: PreemptionCalls;
  readonly #triggers: ReplanTriggers;
  /** Highest priority that found no place in the last round; 0: nobody waits. */
  #topDeferred = 0;

  constructor(ports: ServicePorts, cluster: Cluster, policy: PlacementPolicy, leadership: Leadership) {
    this.#ports = ports;
    this.#leadership = leadership;
    this.#cluster = cluster;
    this.#policy = policy;
    this.#calls = new PreemptionCalls(ports, cluster);
    this.#triggers = new ReplanTriggers(cluster);
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
    this.#triggers.begin();
    feed.onEvent((event) => {
      if (this.#triggers.isTrigger(event, this.#topDeferred)) this.wake();
    });
    this.#leadership.onHeld(() => {
      // Others may have told something else meanwhile.
      this.#told.clear();
      this.wake();
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Resolves once what is being placed at this moment is in the picture. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** The plan may have changed. */
  wake(): void {
    this.#wanted = true;
    if (this.#running === undefined && this.#timer === undefined) this.#schedule(GATHER_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#ended) return;
    this.#timer = this.#ports.timers.after(delayMs, () => {
      this.#timer = undefined;
      this.#wanted = false;
      this.#running = this.#round()
        .then(
          () => {
            this.#failures = 0;
            return GATHER_MS;
          },
          (thrown: unknown) => {
            this.#ports.logger.warn({ err: thrown }, `a placement round failed: ${messageOf(thrown)}`);
            this.#failures += 1;
            this.#wanted = true;
            return backoffDelayMs(ROUND_BACKOFF, this.#failures);
          },
        )
        .then((waitMs) => {
          this.#running = undefined;
          if (this.#wanted) this.#schedule(waitMs);
        });
    });
  }

  async #round(): Promise<void> {
    const token = this.#leadership.token();
    if (token === undefined) return;
    const waiting = this.#cluster.waiting();
    this.#topDeferred = 0;
    const quotas = this.#cluster.quotas();
    const preempted = preemptedVms(this.#cluster, quotas);
    if (waiting.length === 0) this.#told.clear();
    if (waiting.length === 0 && preempted.length === 0) return;
    const rooms = this.#cluster.rooms();
    const plan = planPlacements(waiting, rooms, {
      policy: this.#policy,
      quotas,
      nowMs: this.#ports.clock.nowMs(),
    });
    const { placements, preemptions, reinstatements } = this.#settle(plan, waiting, rooms, preempted);
    const planId = this.#ports.ids.next();
    const acts = () => this.#leadership.token() === token;
    const seqs = await Promise.all([
      ...batchesOf(withinSlots(placements, this.#cluster.moveSlots()), MAX_BATCH).map((batch) =>
        this.#propose({ token, planId, chassisId: batch.chassisId }, batch.placements),
      ),
      ...reinstatements.map((vm) => this.#calls.reinstate(vm)),
      ...preemptions.map((preemption) => this.#calls.preempt(preemption, acts)),
    ]);
    await this.#feed?.applied(Math.max(0, ...seqs));
    if (this.#cluster.isLivenessKnown()) await this.#explain(plan.deferrals, waiting, token);
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

  /** The sequence that must be known here to see what came of it: of the reservation, or of the quota that stood against it. */
  async #propose(
    { token, planId, chassisId }: { token: number; planId: string; chassisId: string },
    placements: readonly Placement[],
  ): Promise<number> {
    const reservations = placements.map(({ vm, decision }) => ({
      vmId: vm.vmId,
      incarnation: vm.incarnation,
      amounts: vm.request,
      decision,
    }));
    const { subject } = ENDPOINTS.ledgerReserve;
    const proposal = { chassisId, planId, reservations, proposerToken: token };
    const causation = this.#cluster.causeOf(reservations.map(({ vmId }) => vmId));
    const reply = await this.#ports.bus.call(subject, proposal, {
      timeoutMs: CALL_TIMEOUT_MS,
      ...(causation && { causation }),
    });
    if (!reply.ok) {
      const newest = reply.error.details?.["newestToken"];
      if (typeof newest !== "number") throw refusalOf(subject, reply.error);
      this.#ports.logger.warn(
        { chassisId, token, newest },
        "this scheduler was succeeded: it proposes nothing",
      );
      this.#leadership.surpass(newest);
      return 0;
    }
    const { seq, quotaSeq, refused } = reply as Reply & ResultOf<"ledgerReserve">;
    if (refused.length > 0) {
      this.#wanted = true;
      this.#ports.logger.info({ chassisId, refused: refused.length }, "a stale plan: planning again");
    }
    return Math.max(seq ?? 0, quotaSeq ?? 0);
  }

  async #explain(deferrals: Plan["deferrals"], waiting: readonly WaitingVm[], token: number): Promise<void> {
    const since = new Map(waiting.map((vm) => [vm.vmId, vm.waitingSinceMs]));
    for (const vmId of this.#told.keys()) if (!since.has(vmId)) this.#told.delete(vmId);
    const digest = ({ vmId, reasons }: Plan["deferrals"][number]) => `${since.get(vmId)} ${kindsOf(reasons)}`;
    const news = deferrals.filter((deferral) => this.#told.get(deferral.vmId) !== digest(deferral));
    for (let i = 0; i < news.length && this.#leadership.token() === token; i += MAX_PAGE) {
      const page = news.slice(i, i + MAX_PAGE);
      const { subject } = ENDPOINTS.vmDefer;
      const reply = await this.#ports.bus.call(subject, { deferrals: page }, { timeoutMs: CALL_TIMEOUT_MS });
      if (!reply.ok) throw refusalOf(subject, reply.error);
      for (const deferral of page) this.#told.set(deferral.vmId, digest(deferral));
    }
  }
}

/** Without those moves off a chassis that would be more at once than its drain is to have; they wait for the next round. */
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

function refusalOf(subject: string, { code, message }: ReplyError): Fault {
  return new Fault("UNAVAILABLE", `${subject}: ${code}: ${message}`, { retryable: true });
}

/**
 * What a reason is, without the numbers that move with every other VM; where some stand for many chassis, also without the
 * names of the few that happen to be nearest.
 */
function kindsOf(reasons: readonly PlacementRefusal[]): string {
  const isBounded = reasons.some(({ chassisCount }) => chassisCount !== undefined);
  const kind = (r: PlacementRefusal) => `${isBounded ? "" : r.chassisId} ${r.code} ${r.resource ?? ""}`;
  return [...new Set(reasons.map(kind))].join("\n");
}
