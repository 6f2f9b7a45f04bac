/**
 * What may happen to a chassis: registered (again) by whoever brings it, closed and opened to new VMs by operators,
 * removed when it is empty; lost when its agent is silent too long, and recovered when it is there again.
 */
import {
  type Chassis,
  type ChassisEvent,
  type ChassisState,
  type ChassisTypeData,
  chassisTypesWith,
  NOT_OVERSUBSCRIBED_PERMILLE,
  type ParsedRequestOf,
  refuse,
} from "@bioxen/contracts";
import { type Amounts, accept, type Decision, UNCHANGED } from "@bioxen/kernel";
import { FLAP_MEMORY_MS } from "./failure-detector.ts";

export type ChassisDecision = Decision<ChassisEvent>;
type Registration = Extract<ChassisEvent, { type: "bioxen.chassis.registered.v1" }>["data"];

/** What a registration asks for, defaults of its type filled in, or everything that is wrong with it. */
export function registrationOf(
  request: ParsedRequestOf<"chassisRegister">,
  types: ReadonlyMap<string, ChassisTypeData> = chassisTypesWith([]),
): { readonly registration: Registration } | { readonly problems: { path: string; message: string }[] } {
  const problems: { path: string; message: string }[] = [];
  const type = types.get(request.chassisType);
  if (type === undefined) {
    problems.push({ path: "chassisType", message: `must be one of ${[...types.keys()].join(", ")}` });
    return { problems };
  }
  const given = (request.capacity ?? {}) as Amounts;
  for (const name of Object.keys(given)) {
    if (!type.resources.includes(name)) {
      const message = `is not a resource of a chassis of type ${type.name}`;
      problems.push({ path: `capacity.${name}`, message });
    }
  }
  const { oversubscribePermille } = request;
  if (type.hosts === "xcpng" && oversubscribePermille !== undefined) {
    problems.push({
      path: "oversubscribePermille",
      message: "is for cell chassis: a pool shares its CPUs itself",
    });
  }
  if (request.capacity === undefined && Object.keys(type.capacity).length === 0) {
    problems.push({ path: "capacity", message: "of a pool must be given: it is read from its hosts" });
  }
  if (problems.length > 0) return { problems };
  return {
    registration: {
      chassisType: type.name,
      capacity: sorted({ ...type.capacity, ...given }),
      overheadPermille: request.overheadPermille ?? type.overheadPermille,
      ...(isOversubscribed(oversubscribePermille)
        ? { oversubscribePermille: sorted(oversubscribePermille) }
        : {}),
      maxVms: request.maxVms ?? type.maxVms,
      labels: request.labels,
      agentId: request.agentId,
      ...(request.taints.length === 0 ? {} : { taints: request.taints }),
    },
  };
}

function isOversubscribed(permille: Amounts | undefined): permille is Amounts {
  return Object.values(permille ?? {}).some((one) => one !== NOT_OVERSUBSCRIBED_PERMILLE);
}

function sorted(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function decideRegister(state: ChassisState, registration: Registration): ChassisDecision {
  if (!state.registered) {
    return accept<ChassisEvent>({ type: "bioxen.chassis.registered.v1", data: registration });
  }
  if (state.chassisType !== registration.chassisType) {
    const message = `it is registered as ${state.chassisType}; remove it before it becomes ${registration.chassisType}`;
    return refuse("CONFLICT", message);
  }
  const { chassisType, capacity, overheadPermille, oversubscribePermille, maxVms, labels, agentId, taints } =
    state;
  const own = { chassisType, capacity, overheadPermille, oversubscribePermille, maxVms, labels, agentId };
  const present = { ...own, taints };
  if (canonical(present) === canonical(registration)) return UNCHANGED;
  return accept<ChassisEvent>({ type: "bioxen.chassis.reconfigured.v1", data: registration });
}

function canonical({
  oversubscribePermille,
  taints = [],
  ...registration
}: Omit<Registration, "taints"> & Pick<Chassis, "taints">): string {
  return JSON.stringify({
    ...registration,
    capacity: sorted(registration.capacity),
    labels: Object.entries(registration.labels).sort(),
    oversubscribePermille: sorted(oversubscribePermille ?? {}),
    taints: taints.map((t) => `${t.key}=${t.value ?? ""}:${t.effect}`).sort(),
  });
}

export function decideCordon(chassisId: string, state: ChassisState): ChassisDecision {
  if (!state.registered) return notFound(chassisId);
  return state.cordoned ? UNCHANGED : accept<ChassisEvent>({ type: "bioxen.chassis.cordoned.v1", data: {} });
}

export function decideUncordon(chassisId: string, state: ChassisState): ChassisDecision {
  if (!state.registered) return notFound(chassisId);
  return state.cordoned
    ? accept<ChassisEvent>({ type: "bioxen.chassis.uncordoned.v1", data: {} })
    : UNCHANGED;
}

export function decideRemove(
  chassisId: string,
  state: ChassisState,
  held: readonly string[],
): ChassisDecision {
  if (!state.registered) return notFound(chassisId);
  if (held.length > 0) {
    const message = `${chassisId} still holds ${held.length} VMs: cordon it and stop them first`;
    return refuse("CONFLICT", message, { details: { vmIds: held.slice(0, 100) } });
  }
  return accept<ChassisEvent>({ type: "bioxen.chassis.removed.v1", data: {} });
}

export interface Silence {
  readonly silentMs: number;
  readonly timeoutMs: number;
}

/** `nowMs` is the log's clock: losses in a row are counted over restarts of whoever counts them. */
export function decideLost(
  state: ChassisState,
  { silentMs, timeoutMs }: Silence,
  nowMs: number,
): ChassisDecision {
  if (!state.registered || state.lost !== null) return UNCHANGED;
  const { recoveredAtMs } = state;
  const isInARow = recoveredAtMs !== null && nowMs - recoveredAtMs < FLAP_MEMORY_MS;
  const lossesInARow = isInARow ? state.lossesInARow + 1 : 1;
  const data = { silentMs: Math.round(silentMs), timeoutMs: Math.round(timeoutMs), lossesInARow };
  return accept<ChassisEvent>({ type: "bioxen.chassis.lost.v1", data });
}

/** What a heartbeat of a lost chassis says, beside that it came. */
export interface SignOfLife {
  /** Sequence of the last event its agent has applied. */
  readonly appliedSeq: number;
  /** Guests that the log does not have there. */
  readonly strays: number;
}

/**
 * A lost chassis is back once its agent has read of the loss and has ended what is not its own any more, and once nobody's story
 * says that it still lives there: what was evacuated must not be found running.
 *
 * `evacuating`: VMs that are to be displaced and are not yet.
 */
export function decideRecovered(
  state: ChassisState,
  sign: SignOfLife,
  evacuating: number,
  nowMs: number,
): ChassisDecision {
  if (!state.registered || state.lost === null) return UNCHANGED;
  if (sign.appliedSeq < state.lost.seq || sign.strays > 0 || evacuating > 0) return UNCHANGED;
  const data = { lostForMs: Math.max(0, nowMs - state.lost.atMs) };
  return accept<ChassisEvent>({ type: "bioxen.chassis.recovered.v1", data });
}

export function notFound(chassisId: string) {
  return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
}

/** A drain has the chassis closed until it ends. */
export function beingDrained(chassisId: string) {
  return refuse("CONFLICT", `${chassisId} is being drained: cancel the drain, and it takes VMs again`);
}
