/**
 * Turns the plan into proposals: one round at a time, woken by what can change the plan.
 *
 * A round plans for everybody who waits, proposes one batch to each chassis' ledger, waits until its own picture has
 * the outcome, and tells lifecycle why the rest waits. What the allocator refused is planned again in the
 * next round, on the newer picture. Nothing here is remembered: a crash costs a round.
 *
 * Of all instances only the holder of the lease has rounds. Its proposals carry the lease's token, and the ledgers
 * refuse one that is older than they have seen.
 */
import { ENDPOINTS, MAX_PAGE, type PlacementRefusal, type ResultOf } from "@bioxen/contracts";
import {
  type EventFeed,
  Fault,
  type Lease,
  messageOf,
  type Reply,
  type ReplyError,
  type ServicePorts,
  type StoredEvent,
} from "@bioxen/kernel";
import {
  batchesOf,
  GATHER_MS,
  type Placement,
  type PlacementPolicy,
  type Plan,
  planPlacements,
  type WaitingVm,
} from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/** Deadline of one proposal or deferral, ms. */
const CALL_TIMEOUT_MS = 10_000;
/** Reservations proposed at once to one ledger: one event of about 100 bytes each. */
const MAX_BATCH = 500;
/** First wait after a failed round, ms; doubles up to the longest. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

export class PlacementProcess {
  readonly #ports: ServicePorts;
  readonly #cluster: Cluster;
  readonly #policy: PlacementPolicy;
  #feed: EventFeed | undefined;
  #lease: Lease | undefined;
  #running: Promise<void> | undefined;
  #wanted = false;
  #timer: { cancel(): void } | undefined;
  #failures = 0;
  #ended = false;
  /** Reasons last told to lifecycle, so that a round says only what is new. */
  readonly #told = new Map<string, string>();

  constructor(ports: ServicePorts, cluster: Cluster, policy: PlacementPolicy) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#policy = policy;
  }

  begin(feed: EventFeed): void {
    this.#feed = feed;
    feed.onEvent((event) => {
      if (mayChangePlan(event)) this.wake();
    });
    this.#lease = this.#ports.leases.contend("chassis-scheduler", {
      onHeld: () => {
        // Others may have told something else meanwhile.
        this.#told.clear();
        this.wake();
      },
      onLost: () => undefined,
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#lease?.release();
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
            return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
          },
        )
        .then((waitMs) => {
          this.#running = undefined;
          if (this.#wanted) this.#schedule(waitMs);
        });
    });
  }

  async #round(): Promise<void> {
    const token = this.#lease?.token();
    if (token === undefined) return;
    const waiting = this.#cluster.waiting();
    if (waiting.length === 0) return this.#told.clear();
    const plan = planPlacements(waiting, this.#cluster.rooms(), {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      nowMs: this.#ports.clock.nowMs(),
    });
    const planId = this.#ports.ids.next();
    const seqs = await Promise.all(
      batchesOf(plan.placements, MAX_BATCH).map((batch) =>
        this.#propose({ token, planId, chassisId: batch.chassisId }, batch.placements),
      ),
    );
    await this.#feed?.applied(Math.max(0, ...seqs));
    if (this.#cluster.isLivenessKnown()) await this.#explain(plan.deferrals, waiting, token);
  }

  /** The sequence that must be known here to see what came of it: of the reservation, or of the quota that stood against it. */
  async #propose(
    { token, planId, chassisId }: { token: number; planId: string; chassisId: string },
    placements: readonly Placement[],
  ): Promise<number> {
    const reservations = placements.map(({ vm }) => ({
      vmId: vm.vmId,
      incarnation: vm.incarnation,
      amounts: vm.request,
    }));
    const { subject } = ENDPOINTS.ledgerReserve;
    const proposal = { chassisId, planId, reservations, proposerToken: token };
    const reply = await this.#ports.bus.call(subject, proposal, { timeoutMs: CALL_TIMEOUT_MS });
    if (!reply.ok) {
      const newest = reply.error.details?.["newestToken"];
      if (typeof newest !== "number") throw refusalOf(subject, reply.error);
      this.#ports.logger.warn(
        { chassisId, token, newest },
        "this scheduler was succeeded: it proposes nothing",
      );
      this.#lease?.surpass(newest);
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
    for (let i = 0; i < news.length && this.#lease?.token() === token; i += MAX_PAGE) {
      const page = news.slice(i, i + MAX_PAGE);
      const { subject } = ENDPOINTS.vmDefer;
      const reply = await this.#ports.bus.call(subject, { deferrals: page }, { timeoutMs: CALL_TIMEOUT_MS });
      if (!reply.ok) throw refusalOf(subject, reply.error);
      for (const deferral of page) this.#told.set(deferral.vmId, digest(deferral));
    }
  }
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

/** Somebody new waits, something was freed, or a chassis changed. Taking room never helps anybody. */
function mayChangePlan({ envelope }: StoredEvent): boolean {
  switch (envelope.type) {
    case "bioxen.vm.start-requested.v1":
    case "bioxen.vm.displaced.v2":
    case "bioxen.ledger.opened.v1":
    case "bioxen.ledger.capacity-changed.v1":
    case "bioxen.ledger.released.v1":
    case "bioxen.ledger.expired.v1":
    case "bioxen.ledger.resized.v1":
    case "bioxen.quota.set.v1":
    case "bioxen.quota.enforced.v1":
    case "bioxen.quota.settled.v1":
      return true;
    default:
      return envelope.subject.startsWith("chassis/");
  }
}
