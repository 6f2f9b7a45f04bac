/**
 * Registration of a chassis: fills in the defaults of its type, or names every problem of the request.
 */
import {
  type Chassis,
  type ChassisEvent,
  type ChassisState,
  type ChassisTypeData,
  chassisTypesWith,
  type HostRoom,
  NOT_OVERSUBSCRIBED_PERMILLE,
  type ParsedRequestOf,
} from "@bioxen/contracts";
import { type Amounts, canonicalJson } from "@bioxen/kernel";

export type Registration = Extract<ChassisEvent, { type: "bioxen.chassis.registered.v1" }>["data"];

export interface RegistrationProblem {
  readonly path: string;
  readonly message: string;
}

/** Returns the registration with all defaults of its chassis type, or every problem of the request. */
export function registrationOf(
  request: ParsedRequestOf<"chassisRegister">,
  types: ReadonlyMap<string, ChassisTypeData> = chassisTypesWith([]),
): { readonly registration: Registration } | { readonly problems: readonly RegistrationProblem[] } {
  const type = types.get(request.chassisType);
  if (type === undefined) {
    return { problems: [{ path: "chassisType", message: `must be one of ${[...types.keys()].join(", ")}` }] };
  }
  const problems = problemsOf(request, type);
  if (problems.length > 0) return { problems };
  const { oversubscribePermille } = request;
  return {
    registration: {
      chassisType: type.name,
      capacity: sorted({ ...type.capacity, ...((request.capacity ?? {}) as Amounts) }),
      overheadPermille: request.overheadPermille ?? type.overheadPermille,
      ...(isOversubscribed(oversubscribePermille)
        ? { oversubscribePermille: sorted(oversubscribePermille) }
        : {}),
      maxVms: request.maxVms ?? type.maxVms,
      labels: request.labels,
      agentId: request.agentId,
      ...(request.taints.length === 0 ? {} : { taints: request.taints }),
      ...(request.hosts === undefined ? {} : { hosts: byName(request.hosts) }),
      ...(request.models === undefined ? {} : { models: request.models }),
    },
  };
}

function problemsOf(
  request: ParsedRequestOf<"chassisRegister">,
  type: ChassisTypeData,
): RegistrationProblem[] {
  const problems: RegistrationProblem[] = [];
  for (const name of Object.keys(request.capacity ?? {})) {
    if (!type.resources.includes(name)) {
      const message = `is not a resource of a chassis of type ${type.name}`;
      problems.push({ path: `capacity.${name}`, message });
    }
  }
  if (type.hosts === "xcpng" && request.oversubscribePermille !== undefined) {
    const message = "applies to cell chassis only: a pool shares its CPUs itself";
    problems.push({ path: "oversubscribePermille", message });
  }
  if (type.hosts !== "xcpng" && request.hosts !== undefined) {
    problems.push({ path: "hosts", message: "only a pool has hosts" });
  }
  if (request.capacity === undefined && Object.keys(type.capacity).length === 0) {
    const message = "is required for a pool: its agent reads it from the hosts";
    problems.push({ path: "capacity", message });
  }
  return problems;
}

function isOversubscribed(permille: Amounts | undefined): permille is Amounts {
  return Object.values(permille ?? {}).some((share) => share !== NOT_OVERSUBSCRIBED_PERMILLE);
}

/** Returns true when the registration would change nothing about the chassis. */
export function isSameRegistration(chassis: Chassis, registration: Registration): boolean {
  const {
    chassisType,
    capacity,
    overheadPermille,
    oversubscribePermille,
    maxVms,
    labels,
    agentId,
    taints,
    hosts,
    models,
  } = chassis;
  const own = { chassisType, capacity, overheadPermille, oversubscribePermille, maxVms, labels, agentId };
  return canonical({ ...own, taints, ...(hosts && { hosts }), models }) === canonical(registration);
}

/**
 * Returns the registration with the models that the chassis has from then on. Only an agent announces models: a
 * registration by an operator keeps those of the agent, unless it gives the chassis to another agent.
 */
export function withModels(registration: Registration, before: ChassisState): Registration {
  const { models: announced, ...rest } = registration;
  const kept = before.registered && before.agentId === registration.agentId ? before.models : undefined;
  const models = announced ?? kept ?? [];
  return models.length === 0 ? rest : { ...rest, models: [...models] };
}

function canonical({
  oversubscribePermille,
  taints = [],
  models = [],
  ...registration
}: Omit<Registration, "taints" | "hosts" | "models"> & Pick<Chassis, "taints" | "hosts" | "models">): string {
  return JSON.stringify({
    ...registration,
    capacity: sorted(registration.capacity),
    labels: Object.entries(registration.labels).sort(),
    oversubscribePermille: sorted(oversubscribePermille ?? {}),
    models: canonicalJson(models),
    taints: taints.map((t) => `${t.key}=${t.value ?? ""}:${t.effect}`).sort(),
  });
}

function byName(hosts: readonly HostRoom[]): HostRoom[] {
  return [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function sorted(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
