/**
 * The chassis-scheduler on its ports: owns every chassis' stream, plans placements, explains them.
 */
import {
  beyondLog,
  type ChassisState,
  type ChassisTypeData,
  chassisFold,
  chassisTypesWith,
  ENDPOINTS,
  type Handled,
  LOST_AFTER_MS,
  PAST_LIVENESS,
  type ParsedRequestOf,
  PLACEMENT_POLICIES,
  type ResultOf,
  refuse,
  serve,
  viewOfChassis,
} from "@bioxen/contracts";
import {
  type Causation,
  type EventFeed,
  type EventLog,
  type Executed,
  foldAt,
  type ServicePorts,
} from "@bioxen/kernel";
import { DEFAULT_POLICY, DEFAULT_POLICY_NAME, type PlacementPolicy } from "@bioxen/placement";
import {
  beingDrained,
  type ChassisDecision,
  decideCordon,
  decideRegister,
  decideRemove,
  decideUncordon,
  notFound,
  registrationOf,
} from "../domain/chassis.ts";
import { isDraining } from "../domain/drain.ts";
import { ChassisWatch } from "./chassis-watch.ts";
import { Cluster } from "./cluster.ts";
import { DrainCommands } from "./drain-commands.ts";
import { DrainProcess } from "./drain-process.ts";
import { Leadership } from "./leadership.ts";
import { PlacementProcess } from "./placement-process.ts";
import { PlacementQueries } from "./placement-queries.ts";
import { Rebalancing } from "./rebalancing.ts";

export interface SchedulerOptions {
  /** Of VMs that choose none. */
  readonly policy?: PlacementPolicy;
  /** Types of chassis beside those that come with BioXen. */
  readonly chassisTypes?: readonly ChassisTypeData[];
  /** Milliseconds of a clock that nobody sets: silence is measured on it. */
  readonly monotonicMs: () => number;
  /** Least silence of an agent after which its chassis is lost, ms; default `LOST_AFTER_MS`. */
  readonly lostAfterMs?: number;
}

export function createChassisScheduler(ports: ServicePorts, options: SchedulerOptions) {
  const { policy = DEFAULT_POLICY, monotonicMs, lostAfterMs = LOST_AFTER_MS, chassisTypes = [] } = options;
  const cluster = new Cluster(ports, monotonicMs, lostAfterMs);
  const leadership = new Leadership();
  const types = chassisTypesWith(chassisTypes);
  const commands = new ChassisCommands(cluster, ports.log, types);
  const drainCommands = new DrainCommands(cluster, ports.clock, types);
  const placements = new PlacementProcess(ports, cluster, policy, leadership);
  const drains = new DrainProcess(ports, cluster, leadership, () => placements.settled());
  const watch = new ChassisWatch(ports, cluster, leadership, monotonicMs);
  const queries = new PlacementQueries(cluster, ports, policy);
  const builtIn = PLACEMENT_POLICIES.find((name) => name === policy.name) ?? DEFAULT_POLICY_NAME;
  const rebalancing = new Rebalancing(cluster, ports, builtIn);
  return {
    sinks: [cluster.chassis, cluster.drains, cluster.vms, cluster.ledgers, cluster.quotaStates],
    endpoints: [
      serve(ENDPOINTS.chassisRegister, (request, causation) => commands.register(request, causation)),
      serve(ENDPOINTS.chassisCordon, commands.cordon),
      serve(ENDPOINTS.chassisUncordon, (request, causation) => commands.uncordon(request, causation)),
      serve(ENDPOINTS.chassisRemove, (request, causation) => commands.remove(request, causation)),
      serve(ENDPOINTS.chassisDrain, (request, causation) => drainCommands.drain(request, causation)),
      serve(ENDPOINTS.chassisCancelDrain, (request, causation) => drainCommands.cancel(request, causation)),
      serve(ENDPOINTS.chassisDrainGet, (request) => drainCommands.get(request)),
      serve(ENDPOINTS.chassisGet, (request) => commands.get(request)),
      serve(ENDPOINTS.chassisList, () => commands.list()),
      serve(ENDPOINTS.placementPlan, (request) => queries.plan(request)),
      serve(ENDPOINTS.placementExplain, (request) => queries.explain(request)),
      serve(ENDPOINTS.placementRebalance, (request) => rebalancing.plan(request)),
      serve(ENDPOINTS.chassisRebalance, (request, causation) => rebalancing.rebalance(request, causation)),
    ],
    begin(feed: EventFeed) {
      cluster.begin(feed);
      const ids = () => cluster.registered().map(([chassisId]) => chassisId);
      cluster.liveness.begin(ids, (chassisId, state) => {
        ports.logger.info({ chassisId, state }, `${chassisId} is ${state}`);
        placements.wake();
      });
      placements.begin(feed);
      drains.begin(feed);
      watch.begin();
      leadership.contend(ports);
    },
    async end() {
      cluster.liveness.end();
      await watch.end();
      await drains.end();
      await placements.end();
      await leadership.release();
    },
  };
}

class ChassisCommands {
  readonly #cluster: Cluster;
  readonly #log: EventLog;
  readonly #types: ReadonlyMap<string, ChassisTypeData>;

  constructor(cluster: Cluster, log: EventLog, types: ReadonlyMap<string, ChassisTypeData>) {
    this.#cluster = cluster;
    this.#log = log;
    this.#types = types;
  }

  async register(
    request: ParsedRequestOf<"chassisRegister">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisRegister">>> {
    const wanted = registrationOf(request, this.#types);
    if ("problems" in wanted) {
      const message = wanted.problems.map((p) => `${p.path} ${p.message}`).join("; ");
      return refuse("BAD_REQUEST", message, { details: { problems: wanted.problems } });
    }
    return this.#decide(request.chassisId, causation, (state) => decideRegister(state, wanted.registration));
  }

  cordon = ({ chassisId }: { chassisId: string }, causation: Causation) =>
    this.#decide(chassisId, causation, (state) => decideCordon(chassisId, state));

  async uncordon({ chassisId }: { chassisId: string }, causation: Causation) {
    const { drains } = this.#cluster;
    // Another instance may have answered that the drain has ended.
    await drains.refresh(chassisId);
    return this.#decide(chassisId, causation, (state) =>
      isDraining(drains.get(chassisId).state) ? beingDrained(chassisId) : decideUncordon(chassisId, state),
    );
  }

  async remove(
    { chassisId }: { chassisId: string },
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisRemove">>> {
    const executed = await this.#cluster.chassis.execute(chassisId, causation, (state) =>
      decideRemove(chassisId, state, this.#cluster.occupancy.allOf(chassisId)),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, chassis: null } };
  }

  async get({ chassisId, atSeq }: ParsedRequestOf<"chassisGet">): Promise<Handled<ResultOf<"chassisGet">>> {
    if (atSeq !== undefined) return this.#getAt(chassisId, atSeq);
    const chassis = this.#view(chassisId, (await this.#cluster.chassis.refresh(chassisId)).state);
    return chassis === undefined ? notFound(chassisId) : { ok: true, result: { chassis } };
  }

  async #getAt(chassisId: string, atSeq: number): Promise<Handled<ResultOf<"chassisGet">>> {
    const beyond = await beyondLog(this.#log, atSeq);
    if (beyond !== undefined) return beyond;
    const subject = this.#cluster.chassis.streamSubject(chassisId);
    const state = await foldAt(this.#log, subject, chassisFold, atSeq);
    if (!state.registered) {
      return refuse("CHASSIS_NOT_FOUND", `there was no chassis ${chassisId} at sequence ${atSeq}`);
    }
    return { ok: true, result: { chassis: viewOfChassis(chassisId, state, PAST_LIVENESS) } };
  }

  list(): Handled<ResultOf<"chassisList">> {
    const chassis = this.#cluster
      .registered()
      .map(([chassisId, state]) => viewOfChassis(chassisId, state, this.#cluster.liveness.of(chassisId)));
    return { ok: true, result: { chassis } };
  }

  async #decide(
    chassisId: string,
    causation: Causation,
    decide: (state: ChassisState) => ChassisDecision,
  ): Promise<Handled<ResultOf<"chassisRegister">>> {
    const executed: Executed<ChassisState> = await this.#cluster.chassis.execute(
      chassisId,
      causation,
      decide,
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const chassis = this.#view(chassisId, executed.held.state);
    if (chassis === undefined) return notFound(chassisId);
    return { ok: true, result: { changed: executed.changed, chassis } };
  }

  #view(chassisId: string, state: ChassisState) {
    return state.registered
      ? viewOfChassis(chassisId, state, this.#cluster.liveness.of(chassisId))
      : undefined;
  }
}
