/**
 * The chassis-scheduler service. It owns the log of every chassis and drain, plans placements and explains them.
 */
import {
  type ChassisTypeData,
  chassisTypesWith,
  ENDPOINTS,
  LOST_AFTER_MS,
  ownersIn,
  PLACEMENT_POLICIES,
  serve,
  serveChange,
} from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import { DEFAULT_POLICY, DEFAULT_POLICY_NAME, type PlacementPolicy } from "@bioxen/placement";
import { ChassisCommands } from "./chassis-commands.ts";
import { ChassisWatch } from "./chassis-watch.ts";
import { Cluster } from "./cluster.ts";
import { DrainCommands } from "./drain-commands.ts";
import { DrainProcess } from "./drain-process.ts";
import { Leadership } from "./leadership.ts";
import { PlacementProcess } from "./placement-process.ts";
import { PlacementQueries } from "./placement-queries.ts";
import { Rebalancing } from "./rebalancing.ts";

export interface SchedulerOptions {
  /** Placement policy for VMs that name none. */
  readonly policy?: PlacementPolicy;
  /** Chassis types in addition to the built-in ones. */
  readonly chassisTypes?: readonly ChassisTypeData[];
  /** Monotonic clock, ms: silence is measured on it. */
  readonly monotonicMs: () => number;
  /** Shortest silence of an agent after which its chassis is lost, ms; default `LOST_AFTER_MS`. */
  readonly lostAfterMs?: number;
}

export function createChassisScheduler(ports: ServicePorts, options: SchedulerOptions) {
  const { policy = DEFAULT_POLICY, monotonicMs, lostAfterMs = LOST_AFTER_MS, chassisTypes = [] } = options;
  const cluster = new Cluster(ports, monotonicMs, lostAfterMs);
  const leadership = new Leadership();
  const types = chassisTypesWith(chassisTypes);
  const commands = new ChassisCommands(cluster, ports.log, ports.bus, types);
  const drainCommands = new DrainCommands(cluster, ports.clock, types);
  const placements = new PlacementProcess(ports, cluster, policy, leadership);
  const drains = new DrainProcess(ports, cluster, leadership, () => placements.settled());
  const watch = new ChassisWatch(ports, cluster, leadership, monotonicMs);
  const queries = new PlacementQueries(cluster, ports, policy);
  // Rebalancing knows only the built-in policies. With a policy of an extension package it uses the default.
  const builtIn = PLACEMENT_POLICIES.find((name) => name === policy.name) ?? DEFAULT_POLICY_NAME;
  const rebalancing = new Rebalancing(cluster, ports, builtIn);
  return {
    owners: ownersIn((vmId) => cluster.vms.get(vmId)),
    sinks: [cluster.chassis, cluster.drains, cluster.vms, cluster.ledgers, cluster.quotaStates],
    endpoints: [
      serveChange(ENDPOINTS.chassisRegister, (request, causation) => commands.register(request, causation)),
      serveChange(ENDPOINTS.chassisCordon, (request, causation) => commands.cordon(request, causation)),
      serveChange(ENDPOINTS.chassisUncordon, (request, causation) => commands.uncordon(request, causation)),
      serveChange(ENDPOINTS.chassisRemove, (request, causation) => commands.remove(request, causation)),
      serveChange(ENDPOINTS.chassisDeleteMachine, (request, causation) =>
        commands.deleteMachine(request, causation),
      ),
      serve(ENDPOINTS.chassisReportMachine, (request, causation) =>
        commands.reportMachine(request, causation),
      ),
      serve(ENDPOINTS.chassisReportLeft, (request, causation) => commands.reportLeft(request, causation)),
      serve(ENDPOINTS.chassisOrphans, (request) => commands.orphans(request)),
      serveChange(ENDPOINTS.chassisDrain, (...command) => drainCommands.drain(...command)),
      serveChange(ENDPOINTS.chassisCancelDrain, (...command) => drainCommands.cancel(...command)),
      serve(ENDPOINTS.chassisDrainGet, (request, _causation, maxBytes) =>
        drainCommands.get(request, maxBytes),
      ),
      serve(ENDPOINTS.chassisGet, (request) => commands.get(request)),
      serve(ENDPOINTS.chassisList, (request, _causation, maxBytes) => commands.list(request, maxBytes)),
      serve(ENDPOINTS.placementPlan, (request, { principal }, maxBytes) =>
        queries.plan(request, principal, maxBytes),
      ),
      serve(ENDPOINTS.placementExplain, (request, { principal }, maxBytes) =>
        queries.explain(request, principal, maxBytes),
      ),
      serve(ENDPOINTS.placementRebalance, (request) => rebalancing.plan(request)),
      serve(ENDPOINTS.chassisRebalance, (request, causation) => rebalancing.rebalance(request, causation)),
    ],
    begin(feed: EventFeed) {
      cluster.begin(feed);
      const ids = () => cluster.registered().map(([chassisId]) => chassisId);
      const agentOf = (chassisId: string) => {
        const { state } = cluster.chassis.get(chassisId);
        return state.registered ? state.agentId : undefined;
      };
      cluster.liveness.begin(ids, agentOf, (chassisId, state) => {
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
