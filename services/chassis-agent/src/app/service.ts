/**
 * The chassis-agent service. It registers its configured chassis, and runs the guests of every chassis that is
 * registered with this agent's id.
 */
import {
  agentCheckpoint,
  agentExec,
  agentHold,
  agentOrphans,
  type DriftPolicy,
  LOST_AFTER_MS,
  MAX_LEFT_BEHIND,
  type ModelDeclaration,
  serve,
} from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "./chassis-config.ts";
import { CheckpointRounds, DEFAULT_CHECKPOINT_INTERVAL_MS } from "./checkpoint-rounds.ts";
import { AgentClaim } from "./claim.ts";
import { LogContact } from "./contact.ts";
import { Courses } from "./courses.ts";
import { Drivers } from "./drivers.ts";
import { ExecsOnce, execInGuest } from "./exec.ts";
import { GuestActions } from "./guest-actions.ts";
import { GuestStates } from "./guest-states.ts";
import { GuestView } from "./guest-view.ts";
import { Guests } from "./guests.ts";
import { LeftObjects } from "./left-objects.ts";
import { MachineDeletions } from "./machine-deletions.ts";
import { olderAgentGone } from "./older-agent.ts";
import { PoolOrphans } from "./pool-orphans.ts";
import { type RefusedChassis, Registrations } from "./registrations.ts";
import { Reports } from "./reports.ts";
import { SecondDaughters } from "./second-daughters.ts";
import { AgentTelemetry } from "./telemetry.ts";

export interface AgentOptions {
  readonly agentId: string;
  /** Id of the BioXen to which this agent belongs. */
  readonly clusterId: string;
  /** Names this process in heartbeats; unique among all processes that ever had this agent id. */
  readonly instance: string;
  readonly chassis: readonly OwnChassis[];
  /** Chassis whose capacity a driver reads, such as a pool. */
  readonly pools?: readonly OwnChassis[];
  /** One driver for each type of VM. */
  readonly drivers: readonly VmDriver[];
  /** The cell models of this agent beside the built-in one; default: none. */
  readonly models?: readonly ModelDeclaration[] | undefined;
  readonly monotonicMs: () => number;
  /**
   * Time without contact to the log after which the chassis count as lost, ms. It must not exceed the value that the
   * schedulers use. Default `LOST_AFTER_MS`.
   */
  readonly lostAfterMs?: number;
  /** Time between two checkpoints of a guest, ms; 0 disables them. Default {@link DEFAULT_CHECKPOINT_INTERVAL_MS}. */
  readonly checkpointIntervalMs?: number;
  /** Reaction to a change of a machine outside BioXen. Default `repair`. */
  readonly drift?: DriftPolicy | undefined;
}

export function createChassisAgent(ports: ServicePorts, options: AgentOptions) {
  const { agentId, instance, monotonicMs, models } = options;
  const drivers = new Drivers(options.drivers);
  const claim = new AgentClaim(ports, agentId);
  const contact = new LogContact(ports, monotonicMs, options.lostAfterMs ?? LOST_AFTER_MS, claim);
  const view = new GuestView(agentId, () => contact.isHolding());
  const poolIds = (options.pools ?? []).map(({ chassisId }) => chassisId);
  const orphans = new PoolOrphans({ clusterId: options.clusterId, drivers, view, poolIds });
  const courses = new Courses(ports, agentId);
  const telemetry = new AgentTelemetry({
    ports,
    agentId,
    instance,
    claim,
    drivers,
    view,
    contact,
    orphans,
    courses,
    monotonicMs,
    freeHosts: (chassisId) => options.pools?.find((one) => one.chassisId === chassisId)?.freeHosts?.(),
  });
  const states = new GuestStates(ports, { drivers, view, courses, agentId });
  const reports = new Reports(ports, view.vms, claim);
  const onStarted = (vmId: string) => telemetry.publishVm(vmId);
  const daughters = new SecondDaughters({ ...ports, agentId, view, claim, states });
  const actions = new GuestActions({ ports, view, states, reports, courses, daughters, onStarted });
  const drift = options.drift ?? "repair";
  const guests = new Guests({ ports, claim, drivers, view, actions, reports, drift });
  const intervalMs = options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS;
  const execs = new ExecsOnce(ports.clock);
  const rounds = new CheckpointRounds({ ports, view, states, reports, intervalMs });
  const own = [...options.chassis, ...(options.pools ?? [])];
  const deletions = new MachineDeletions({ ports, claim, drivers, view });
  const leftObjects = new LeftObjects({ ports, claim, drivers, view, poolIds });
  const registrations = new Registrations({ ports, claim, view, agentId, chassis: own, models });
  return {
    sinks: [view.vms, view.chassis],
    endpoints: agentEndpoints({ agentId, claim, execs, view, drivers, states, orphans }),
    discovery: { agent: agentId },
    /** Resolves once this process is the agent: see `claim.ts` and `older-agent.ts`. */
    admitted: (onWait: (reason: string) => void) => admitted({ ports, agentId, claim, view, onWait }),
    mustEnd: claim.superseded,
    sampled: () => ({
      agent: agentSample({
        agentId,
        drivers,
        refused: refusedBy(claim, registrations, view, own),
        pools: options.pools ?? [],
      }),
    }),
    begin(feed: EventFeed) {
      feed.onEvent(({ envelope }) => {
        if (envelope.type === "bioxen.chassis.registered.v1") telemetry.heartbeat(feed);
        registrations.note(envelope);
      });
      telemetry.begin(feed, (vmId, simMinutes) => actions.allocationOf(vmId, simMinutes));
      contact.begin(feed, () => guests.wakeAll());
      guests.begin(feed);
      rounds.begin(feed);
      registrations.begin();
      deletions.begin(feed);
      leftObjects.begin();
    },
    async end() {
      telemetry.end();
      contact.end();
      await courses.end();
      await registrations.end();
      await deletions.end();
      await leftObjects.end();
      await rounds.end();
      await guests.end();
      await drivers.close();
      await claim.release();
    },
  };
}

interface Admission {
  readonly ports: ServicePorts;
  readonly agentId: string;
  readonly claim: AgentClaim;
  readonly view: GuestView;
  readonly onWait: (reason: string) => void;
}

async function admitted({ ports, agentId, claim, view, onWait }: Admission): Promise<void> {
  // If the token cannot be read, this process assumes that its claim is the first claim on the agent id. It then
  // listens for an older agent, which costs only time.
  const isFirstClaim = (await claim.tokenOnRecord().catch(() => undefined)) === undefined;
  await claim.granted(onWait);
  if (isFirstClaim && view.hosted().length > 0) await olderAgentGone({ ports, agentId, onWait });
}

interface AgentParts {
  readonly agentId: string;
  readonly claim: AgentClaim;
  readonly execs: ExecsOnce;
  readonly view: GuestView;
  readonly drivers: Drivers;
  readonly states: GuestStates;
  readonly orphans: PoolOrphans;
}

function agentEndpoints({ agentId, claim, execs, view, drivers, states, orphans }: AgentParts) {
  return [
    serve(agentExec(agentId), (request, { causeId }) =>
      execs.once(causeId, async () => {
        claim.require();
        const { vmId, fence } = request;
        const vm = view.vm(vmId);
        const ran = (simMinute: number, nth: number) => states.ran(vmId, fence, simMinute, nth);
        return execInGuest(vm && drivers.of(vm.vmType), request, { ran });
      }),
    ),
    serve(agentCheckpoint(agentId), async (request) => {
      claim.require();
      return states.checkpointFor(request);
    }),
    serve(agentHold(agentId), async (request) => {
      claim.require();
      return states.hold(request);
    }),
    serve(agentOrphans(agentId), (request, _causation, maxBytes) => {
      claim.require();
      return orphans.listed(request, maxBytes);
    }),
  ];
}

interface AgentSampleParts {
  readonly agentId: string;
  readonly drivers: Drivers;
  readonly refused: readonly RefusedChassis[];
  readonly pools: readonly OwnChassis[];
}

/** Returns what the agent adds to the status sample of its process. */
function agentSample({ agentId, drivers, refused, pools }: AgentSampleParts) {
  const left = drivers.leftBehind().slice(0, MAX_LEFT_BEHIND);
  const overcommitted = pools.flatMap(({ chassisId, failoverGap }) => {
    const gap = failoverGap?.();
    return gap === undefined ? [] : [{ chassisId, ...gap }];
  });
  return {
    agentId,
    refused: [...refused],
    ...(left.length === 0 ? {} : { left }),
    ...(overcommitted.length === 0 ? {} : { overcommitted }),
  };
}

/** Returns the chassis that this process should run, by its configuration or the log, but that another process runs. */
function refusedBy(
  { waitsFor }: AgentClaim,
  registrations: Registrations,
  view: GuestView,
  own: readonly OwnChassis[],
): RefusedChassis[] {
  if (waitsFor === undefined) return [...registrations.refused()];
  const ids = new Set([...own.map(({ chassisId }) => chassisId), ...view.hosted()]);
  return [...ids].sort().map((chassisId) => ({ chassisId, reason: waitsFor }));
}
