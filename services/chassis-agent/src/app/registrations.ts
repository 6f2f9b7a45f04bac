/**
 * Registers the configured chassis of this agent, except a chassis that another agent runs.
 *
 * A registration gives a chassis to the agent that registers it. Two agents that are configured with the same chassis
 * would take it from each other, and its guests would restart each time. So an agent does not register a chassis while
 * another agent has registered it and sends heartbeats for it. The refused agent reports this, and looks again from
 * time to time. It registers the chassis once the other agent has fallen silent. An operator may give a chassis to
 * another agent at any time. On a server with keys the scheduler holds agents to this: it refuses another agent until
 * the chassis is lost or removed.
 *
 * Not covered: on a stack without keys, two agents that register a new chassis at the same moment. The later
 * registration decides.
 */
import {
  type Chassis,
  callEndpoint,
  ENDPOINTS,
  isFinalRefusal,
  isPool,
  type ModelDeclaration,
  type RequestOf,
} from "@bioxen/contracts";
import {
  canonicalJson,
  type EventEnvelope,
  messageOf,
  Reconciler,
  type ServicePorts,
  type StepResult,
} from "@bioxen/kernel";
import type { OwnChassis } from "./chassis-config.ts";
import type { AgentClaim } from "./claim.ts";
import type { GuestView } from "./guest-view.ts";

/** Deadline of one call, ms. */
const CALL_TIMEOUT_MS = 5_000;
/** Interval at which the capacity of each pool is read again, ms. Hosts join and leave a pool within hours. */
const CAPACITY_INTERVAL_MS = 15_000;
/** Time until an agent tries again to register a chassis, ms: about the time in which a silent agent is detected. */
const LOOK_AGAIN_MS = 5_000;

/** A chassis that this process is configured to run and does not run, because another process runs it. */
export interface RefusedChassis {
  readonly chassisId: string;
  readonly reason: string;
}

export interface RegistrationsOptions {
  readonly ports: ServicePorts;
  readonly claim: Pick<AgentClaim, "isHeld">;
  readonly view: GuestView;
  readonly agentId: string;
  readonly chassis: readonly OwnChassis[];
  /** The cell models of this agent beside the built-in one; default: none. */
  readonly models?: readonly ModelDeclaration[] | undefined;
}

export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #reconciler: Reconciler;
  /** By chassis id, the reason why the chassis is not registered. */
  readonly #refused = new Map<string, string>();

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    const { ports } = options;
    this.#reconciler = new Reconciler({
      clock: ports.clock,
      timers: ports.timers,
      step: (chassisId) => this.#step(chassisId),
      onError: (chassisId, thrown) =>
        ports.logger.warn({ chassisId, err: thrown }, `cannot register ${chassisId}: ${messageOf(thrown)}`),
    });
  }

  begin(): void {
    const { chassis, view } = this.#options;
    for (const { chassisId } of chassis) this.#reconciler.wake(chassisId);
    for (const chassisId of view.hosted()) this.#lookAt(chassisId);
  }

  /** Notes an event: a chassis that an operator gives to this agent takes VMs of its cell models too. */
  note({ type, subject }: Pick<EventEnvelope, "type" | "subject">): void {
    const [, chassisId] = subject.split("/");
    const isGiven = type === "bioxen.chassis.registered.v1" || type === "bioxen.chassis.reconfigured.v1";
    if (isGiven && chassisId !== undefined) this.#lookAt(chassisId);
  }

  #lookAt(chassisId: string): void {
    const isOwn = this.#options.chassis.some((one) => one.chassisId === chassisId);
    if (!isOwn && this.#lacksModels(chassisId) !== undefined) this.#reconciler.wake(chassisId);
  }

  /** Returns the chassis if this agent runs it and it has other models than the agent; a pool has none. */
  #lacksModels(chassisId: string): Chassis | undefined {
    const { view, agentId, models = [] } = this.#options;
    const chassis = view.registered(chassisId);
    if (chassis?.agentId !== agentId || isPool(chassis.chassisType, chassis.capacity)) return undefined;
    return canonicalJson(chassis.models ?? []) === canonicalJson(announced(models)) ? undefined : chassis;
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  /** The configured chassis that another agent runs, in order of their configuration. */
  refused(): readonly RefusedChassis[] {
    return [...this.#refused].map(([chassisId, reason]) => ({ chassisId, reason }));
  }

  async #step(chassisId: string): Promise<StepResult> {
    const { ports, claim, chassis, agentId } = this.#options;
    const own = chassis.find((one) => one.chassisId === chassisId);
    if (own === undefined) return this.#announceOn(chassisId);
    const lookAgain = { dueAtMs: ports.clock.nowMs() + LOOK_AGAIN_MS };
    if (!claim.isHeld()) return lookAgain;
    const rival = await this.#rivalOf(chassisId);
    if (rival !== undefined) {
      // Only a pool has hosts. Its chassis id is a setting of its own.
      const remedy =
        own.hosts === undefined
          ? "remove it from the BIOXEN_CHASSIS of one of the two"
          : "give one of the two another BIOXEN_XCPNG_CHASSIS";
      this.#refuse(
        chassisId,
        `${chassisId} is run by agent ${rival}, so agent ${agentId} does not register it: ${remedy}, or stop the other agent`,
      );
      return lookAgain;
    }
    return this.#register(own);
  }

  /** Announces the agent's models on a chassis that an operator has registered; everything else of it stays. */
  async #announceOn(chassisId: string): Promise<StepResult> {
    const { ports, claim, models = [] } = this.#options;
    const chassis = this.#lacksModels(chassisId);
    if (chassis === undefined) return undefined;
    const lookAgain = { dueAtMs: ports.clock.nowMs() + LOOK_AGAIN_MS };
    if (!claim.isHeld()) return lookAgain;
    const { chassisType, capacity, overheadPermille, oversubscribePermille, maxVms, agentId } = chassis;
    const request = {
      ...{ chassisId, chassisType, capacity, overheadPermille, maxVms, agentId },
      labels: { ...chassis.labels },
      taints: [...(chassis.taints ?? [])],
      ...(oversubscribePermille && { oversubscribePermille }),
      models: announced(models),
      // Another registration since is not undone: its event leads here again.
      expectedVersion: chassis.version,
    };
    const reply = await callEndpoint(ports.bus, ENDPOINTS.chassisRegister, request, {
      timeoutMs: CALL_TIMEOUT_MS,
    });
    if (reply.ok || reply.error.code === "CONFLICT") return undefined;
    const { code, message } = reply.error;
    if (!isFinalRefusal(reply.error)) throw new Error(`${code}: ${message}`);
    ports.logger.error({ chassisId, code }, `${chassisId} does not take the agent's models: ${message}`);
    return undefined;
  }

  /** Returns the id of the other agent that runs the chassis; undefined if no such agent exists, or if it is silent. */
  async #rivalOf(chassisId: string): Promise<string | undefined> {
    const { ports, view, agentId } = this.#options;
    const known = view.registered(chassisId);
    if (known === undefined || known.agentId === agentId) return undefined;
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    const reply = await callEndpoint(ports.bus, ENDPOINTS.chassisGet, { chassisId }, options);
    if (!reply.ok) {
      if (reply.error.code === "CHASSIS_NOT_FOUND") return undefined;
      throw new Error(`${reply.error.code}: ${reply.error.message}`);
    }
    const { agentId: present, state } = reply.chassis;
    const isSilent = state === "suspect" || state === "lost";
    return present === agentId || isSilent ? undefined : present;
  }

  #refuse(chassisId: string, reason: string): void {
    const { logger } = this.#options.ports;
    if (this.#refused.get(chassisId) !== reason) logger.error({ chassisId }, reason);
    this.#refused.set(chassisId, reason);
  }

  /** Registers the chassis. A permanent rejection is logged; any other failure is thrown, and the step is repeated. */
  async #register(own: OwnChassis): Promise<StepResult> {
    const { ports, agentId, models = [], view } = this.#options;
    const { chassisId, chassisType, oversubscribePermille } = own;
    const capacity = await own.capacity?.();
    const hosts = await own.hosts?.();
    // A pool has no cell models. An older scheduler refuses the field, so it is sent only if it says something.
    const hasNews =
      own.hosts === undefined && models.length + (view.registered(chassisId)?.models ?? []).length > 0;
    const reply = await callEndpoint(
      ports.bus,
      ENDPOINTS.chassisRegister,
      {
        chassisId,
        chassisType,
        agentId,
        ...(capacity === undefined ? {} : { capacity }),
        ...(hosts === undefined ? {} : { hosts: [...hosts] }),
        ...(hasNews ? { models: announced(models) } : {}),
        ...(oversubscribePermille && { oversubscribePermille }),
      },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    const again = own.capacity && { dueAtMs: ports.clock.nowMs() + CAPACITY_INTERVAL_MS };
    if (!reply.ok && reply.error.code === "FORBIDDEN") {
      this.#refuse(chassisId, reply.error.message);
      return { dueAtMs: ports.clock.nowMs() + LOOK_AGAIN_MS };
    }
    this.#refused.delete(chassisId);
    if (reply.ok) return again;
    const { code, message } = reply.error;
    if (!isFinalRefusal(reply.error)) throw new Error(`${code}: ${message}`);
    ports.logger.error({ chassisId, code }, `the registration of ${chassisId} was rejected: ${message}`);
    return again;
  }
}

/** Returns the declarations as a request has them. */
function announced(models: readonly ModelDeclaration[]): NonNullable<RequestOf<"chassisRegister">["models"]> {
  return JSON.parse(JSON.stringify(models));
}
