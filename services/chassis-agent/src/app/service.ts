/**
 * The chassis-agent on its ports: registers the chassis it brings, runs the guests of every chassis that names it.
 */
import {
  agentCheckpoint,
  agentExec,
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
import { Guests } from "./guests.ts";
import { AgentTelemetry } from "./telemetry.ts";

/** Deadline of one registration, ms; it is repeated. */
const REGISTER_TIMEOUT_MS = 5_000;
/** How often a capacity that is read from elsewhere is read again, ms: a pool's hosts come and go by the hour. */
const CAPACITY_INTERVAL_MS = 15_000;

export interface AgentOptions {
  readonly agentId: string;
  readonly chassis: readonly OwnChassis[];
  /** Those that come with a driver. */
  readonly pools?: readonly OwnChassis[];
  /** One for each type of VM it runs. */
  readonly drivers: readonly VmDriver[];
  readonly monotonicMs: () => number;
  /** As the schedulers have it, ms, or less; default `LOST_AFTER_MS`. */
  readonly lostAfterMs?: number;
  /** From one checkpoint of a guest to the next, ms; 0: none. Default {@link DEFAULT_CHECKPOINT_INTERVAL_MS}. */
  readonly checkpointIntervalMs?: number;
  /** What is to come of it when others change a machine of a VM; default `repair`. */
  readonly drift?: DriftPolicy | undefined;
}

export function createChassisAgent(ports: ServicePorts, options: AgentOptions) {
  const { agentId } = options;
  const drivers = new Drivers(options.drivers);
  const contact = new LogContact(ports, options.monotonicMs, options.lostAfterMs ?? LOST_AFTER_MS);
  const telemetry = new AgentTelemetry(ports, agentId, drivers, options.monotonicMs, contact);
  const onStarted = (vmId: string) => telemetry.publishVm(vmId, guests);
  const isHolding = () => contact.isHolding();
  const drift = options.drift ?? "repair";
  const guests: Guests = new Guests(ports, agentId, drivers, onStarted, isHolding, drift);
  const intervalMs = options.checkpointIntervalMs ?? DEFAULT_CHECKPOINT_INTERVAL_MS;
  const execs = new ExecsOnce(ports.clock);
  const rounds = new CheckpointRounds(ports, guests, intervalMs);
  const registrations = new Reconciler({
    clock: ports.clock,
    timers: ports.timers,
    step: (chassisId) => register(ports, options, chassisId),
    onError: (chassisId, thrown) =>
      ports.logger.warn({ chassisId, err: thrown }, `cannot register ${chassisId}: ${messageOf(thrown)}`),
  });
  return {
    sinks: [guests.vms, guests.chassis],
    endpoints: [
      serve(agentExec(agentId), (request, { causeId }) =>
        execs.once(causeId, () => {
          const vm = guests.vms.get(request.vmId);
          return execInGuest(vm.exists ? drivers.of(vm.vmType) : undefined, request);
        }),
      ),
      serve(agentCheckpoint(agentId), (request) => guests.states.checkpointFor(request)),
    ],
    begin(feed: EventFeed) {
      feed.onEvent(({ envelope }) => {
        if (envelope.type === "bioxen.chassis.registered.v1") telemetry.heartbeat(guests, feed);
      });
      telemetry.begin(guests, feed);
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

/** Offers one own chassis; a refusal by value is logged and left, anything else is tried again. */
async function register(ports: ServicePorts, options: AgentOptions, chassisId: string): Promise<StepResult> {
  const own = ownOf(options).find((chassis) => chassis.chassisId === chassisId);
  if (own === undefined) return undefined;
  const capacity: Amounts | undefined = await own.capacity?.();
  const reply = await ports.bus.call(
    ENDPOINTS.chassisRegister.subject,
    {
      chassisId,
      chassisType: own.chassisType,
      agentId: options.agentId,
      ...(capacity === undefined ? {} : { capacity }),
      ...(own.oversubscribePermille === undefined
        ? {}
        : { oversubscribePermille: own.oversubscribePermille }),
    },
    { timeoutMs: REGISTER_TIMEOUT_MS },
  );
  const again = own.capacity && { dueAtMs: ports.clock.nowMs() + CAPACITY_INTERVAL_MS };
  if (reply.ok) return again;
  const { code, message, retryable } = reply.error;
  if (retryable) throw new Error(`${code}: ${message}`);
  ports.logger.error({ chassisId, code }, `${chassisId} was refused: ${message}`);
  return again;
}
