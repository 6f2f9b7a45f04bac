/**
 * The chassis-agent service. It registers its configured chassis, and runs the guests of every chassis that is
 * registered with this agent's id.
 */
import {
  agentCheckpoint,
  agentExec,
  callEndpoint,
  type DriftPolicy,
  ENDPOINTS,
  LOST_AFTER_MS,
  serve,
} from "@bioxen/contracts";
import {
  type Amounts,
  type EventFeed,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "./chassis-config.ts";
import { CheckpointRounds, DEFAULT_CHECKPOINT_INTERVAL_MS } from "./checkpoint-rounds.ts";
import { LogContact } from "./contact.ts";
import { Drivers } from "./drivers.ts";
import { ExecsOnce, execInGuest } from "./exec.ts";
import { GuestActions } from "./guest-actions.ts";
import { GuestStates } from "./guest-states.ts";
import { GuestView } from "./guest-view.ts";
import { Guests } from "./guests.ts";
import { Reports } from "./reports.ts";
import { AgentTelemetry } from "./telemetry.ts";

/** Deadline of one attempt to register a chassis, ms. */
const REGISTER_TIMEOUT_MS = 5_000;
/** Interval at which the capacity of each pool is read again, ms. Hosts join and leave a pool within hours. */
const CAPACITY_INTERVAL_MS = 15_000;

export interface AgentOptions {
  readonly agentId: string;
  readonly chassis: readonly OwnChassis[];
  /** Chassis whose capacity a driver reads, such as a pool. */
  readonly pools?: readonly OwnChassis[];
  /** One driver for each type of VM. */
  readonly drivers: readonly VmDriver[];
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
  const { agentId, monotonicMs } = options;
  const drivers = new Drivers(options.drivers);
  const contact = new LogContact(ports, monotonicMs, options.lostAfterMs ?? LOST_AFTER_MS);
  const view = new GuestView(agentId, () => contact.isHolding());
  const telemetry = new AgentTelemetry({ ports, agentId, drivers, view, contact, monotonicMs });
  const states = new GuestStates(ports, drivers, view);
  const reports = new Reports(ports, view.vms);
  const onStarted = (vmId: string) => telemetry.publishVm(vmId);
  const actions = new GuestActions({ ports, view, states, reports, onStarted });
  const drift = options.drift ?? "repair";
  const guests = new Guests({ ports, drivers, view, actions, reports, drift });
  const intervalMs = options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS;
  const execs = new ExecsOnce(ports.clock);
  const rounds = new CheckpointRounds({ ports, view, states, reports, intervalMs });
  const registrations = new Reconciler({
    clock: ports.clock,
    timers: ports.timers,
    step: (chassisId) => register(ports, options, chassisId),
    onError: (chassisId, thrown) =>
      ports.logger.warn({ chassisId, err: thrown }, `cannot register ${chassisId}: ${messageOf(thrown)}`),
  });
  return {
    sinks: [view.vms, view.chassis],
    endpoints: [
      serve(agentExec(agentId), (request, { causeId }) =>
        execs.once(causeId, () => {
          const vm = view.vm(request.vmId);
          return execInGuest(vm && drivers.of(vm.vmType), request);
        }),
      ),
      serve(agentCheckpoint(agentId), (request) => states.checkpointFor(request)),
    ],
    begin(feed: EventFeed) {
      feed.onEvent(({ envelope }) => {
        if (envelope.type === "bioxen.chassis.registered.v1") telemetry.heartbeat(feed);
      });
      telemetry.begin(feed, (vmId) => actions.allocationOf(vmId));
      contact.begin(feed, () => guests.wakeAll());
      guests.begin(feed);
      rounds.begin(feed);
      for (const { chassisId } of ownOf(options)) registrations.wake(chassisId);
    },
    async end() {
      telemetry.end();
      contact.end();
      await registrations.stop();
      await rounds.end();
      await guests.end();
      await drivers.close();
    },
  };
}

function ownOf({ chassis, pools = [] }: AgentOptions): readonly OwnChassis[] {
  return [...chassis, ...pools];
}

/** Registers one configured chassis. A permanent rejection is logged; any other failure is retried. */
async function register(ports: ServicePorts, options: AgentOptions, chassisId: string): Promise<StepResult> {
  const own = ownOf(options).find((chassis) => chassis.chassisId === chassisId);
  if (own === undefined) return undefined;
  const capacity: Amounts | undefined = await own.capacity?.();
  const reply = await callEndpoint(
    ports.bus,
    ENDPOINTS.chassisRegister,
    {
      chassisId,
      chassisType: own.chassisType,
      agentId: options.agentId,
      ...(capacity === undefined ? {} : { capacity }),
      ...(own.oversubscribePermille && { oversubscribePermille: own.oversubscribePermille }),
    },
    { timeoutMs: REGISTER_TIMEOUT_MS },
  );
  const again = own.capacity && { dueAtMs: ports.clock.nowMs() + CAPACITY_INTERVAL_MS };
  if (reply.ok) return again;
  const { code, message, retryable } = reply.error;
  if (retryable) throw new Error(`${code}: ${message}`);
  ports.logger.error({ chassisId, code }, `the registration of ${chassisId} was rejected: ${message}`);
  return again;
}
