/**
 * What a tenant may do: the one rule for every endpoint that it may call.
 *
 * A tenant sees and commands only the VMs that it owns. For a tenant, a VM of another owner does not exist, so the answer
 * is the same VM_NOT_FOUND as for an unknown id. The handlers of the services know nothing of tenants: the rule of the
 * endpoint checks and completes the request before the handler, and leaves out the VMs of others after it.
 */
import type { Causation } from "@bioxen/kernel";
import { accessOf } from "./access.ts";
import { ENDPOINTS, type EndpointName } from "./endpoints/catalogue.ts";
import { refuse } from "./errors.ts";
import type { VmState } from "./fold/vm-state.ts";
import type { HandlerResult, ServedEndpoint } from "./handler.ts";
import { withoutVms } from "./hidden-vms.ts";

/** What a service knows about the owners of VMs. */
export interface Owners {
  /** Returns the owner of a VM, also of a destroyed one; undefined when there is no such VM. */
  ownerOf(vmId: string): Promise<string | undefined> | string | undefined;
  /** Returns the owner of a VM as far as this instance has read the log. */
  knownOwnerOf(vmId: string): string | undefined;
  /** Returns the owner of an experiment; undefined when there is no such experiment. Only of the service that owns them. */
  experimentOwnerOf?(experimentId: string): Promise<string | undefined> | string | undefined;
}

/** Returns the owners in a read model, which may lag behind the log by a moment. */
export function ownersIn(vmOf: (vmId: string) => VmState): Owners {
  const knownOwnerOf = (vmId: string) => {
    const vm = vmOf(vmId);
    return vm.exists ? vm.owner : undefined;
  };
  return { knownOwnerOf, ownerOf: knownOwnerOf };
}

type Fields = Readonly<Record<string, unknown>>;
type Refused = Extract<HandlerResult, { readonly ok: false }>;

/** The rule of one endpoint for the tenant with a name. */
interface TenantRule {
  /** Returns the ids of the VMs that the request is about. The tenant must own each of them. */
  readonly vms?: (request: Fields) => readonly string[];
  /** Returns the ids that the request gives to new VMs. No VM of another owner may have or have had one of them. */
  readonly newVms?: (request: Fields) => readonly string[];
  /** Returns the id of the experiment that the request is about. The tenant must own it. */
  readonly experiment?: (request: Fields) => string;
  /** Returns the id that the request gives to a new experiment. No experiment of another owner may have it. */
  readonly newExperiment?: (request: Fields) => unknown;
  /** Returns why the tenant may not send the request; undefined when it may. */
  readonly refusal?: (request: Fields, tenant: string) => string | undefined;
  /** Returns the request that the handler gets. */
  readonly request?: (request: Fields, tenant: string, causation: Causation) => Fields;
  /** Returns the result that the tenant gets. */
  readonly result?: (result: Fields, isOwn: (vmId: string) => boolean) => Fields;
}

/** The rules by name of the endpoint. A test compares them with the endpoints that a tenant may call. */
export const TENANT_RULES = {
  vmCreate: newVm("vmId"),
  vmStart: ofVm(),
  vmPause: ofVm(),
  vmResume: ofVm(),
  vmStop: ofVm(),
  vmDestroy: ofVm(),
  vmResize: ofVm(),
  vmSetEnvironment: ofVm(),
  vmExec: ofVm(),
  vmSnapshot: ofVm(),
  vmRestore: ofVm(),
  vmFork: { ...ofVm(), ...newVm("newVmId") },
  vmDeleteSnapshot: ofVm(),
  vmMigrate: ofVm(),
  vmCancelMigration: ofVm(),
  vmGet: {
    ...ofVm(),
    // The ledger and the chassis of a past state name the VMs of others.
    result: ({ ledger: _, chassis: __, cursor: ___, ...result }) => result,
  },
  vmHistory: ofVm(),
  courseGet: ofVm(),
  vmList: { request: (request, tenant) => ({ ...request, owner: tenant }) },
  chassisList: {
    result: (result) => ({
      ...result,
      chassis: listOf(result["chassis"]).map((chassis) => ({
        ...publicPart(chassis),
        labels: {},
        agentId: "",
      })),
    }),
  },
  placementPlan: {
    ...newVm("vmId"),
    vms: ({ vmIds }) => (Array.isArray(vmIds) ? vmIds : []),
    result: (result, isOwn) => ({
      ...result,
      preemptions: listOf(result["preemptions"]).map((one) => ({
        ...one,
        victims: ownOnly(one["victims"], isOwn),
      })),
    }),
  },
  placementExplain: {
    ...ofVm(),
    result: (result, isOwn) => ({ ...result, preempted: ownOnly(result["preempted"], isOwn) }),
  },
  experimentStart: {
    newExperiment: experimentIdIn,
    refusal: (request, tenant) => {
      const id = experimentIdIn(request);
      // An id that is no text is a problem of the file, which the handler names.
      if (typeof id !== "string" || id.startsWith(`${tenant}-`)) return undefined;
      return `may start only experiments whose id begins with ${tenant}-`;
    },
  },
  experimentCancel: ofExperiment(),
  experimentGet: ofExperiment(),
  experimentList: { request: (request, tenant) => ({ ...request, owner: tenant }) },
  quotaGet: {
    refusal: ({ owner, label }, tenant) =>
      label === undefined && owner === tenant ? undefined : `may read only the quota of the owner ${tenant}`,
  },
} as const satisfies Partial<Record<EndpointName, TenantRule>>;

const BY_SUBJECT: ReadonlyMap<string, TenantRule> = new Map(
  Object.entries(TENANT_RULES).map(([name, rule]) => [ENDPOINTS[name as EndpointName].subject, rule]),
);

function ofVm(): Pick<Required<TenantRule>, "vms"> {
  return { vms: ({ vmId }) => [vmId as string] };
}

function ofExperiment(): Pick<Required<TenantRule>, "experiment"> {
  return { experiment: ({ experimentId }) => experimentId as string };
}

function experimentIdIn({ file }: Fields): unknown {
  return (file as Fields | undefined)?.["experiment"];
}

function listOf(list: unknown): readonly Record<string, unknown>[] {
  return list as readonly Record<string, unknown>[];
}

function ownOnly(list: unknown, isOwn: (vmId: string) => boolean) {
  return listOf(list).filter(({ vmId }) => isOwn(vmId as string));
}

/** The fields of a chassis that a tenant does not see: they name hosts, agents, and the VMs and machines of others. */
const CHASSIS_SECRETS: ReadonlySet<string> = new Set(["hosts", "labels", "agentId", "leftBehind"]);

function publicPart(chassis: Fields): Fields {
  return Object.fromEntries(Object.entries(chassis).filter(([name]) => !CHASSIS_SECRETS.has(name)));
}

/** Returns the checks of the id of a new VM: it begins with the name of the tenant, and is free or the tenant's own. */
function newVm(field: string): Pick<Required<TenantRule>, "refusal" | "newVms"> {
  const idIn = (request: Fields) => request[field];
  return {
    newVms: (request) => [idIn(request)].filter((id) => typeof id === "string"),
    refusal: (request, tenant) => {
      const id = idIn(request);
      if (id === undefined || (typeof id === "string" && id.startsWith(`${tenant}-`))) return undefined;
      return `may create only VMs whose id begins with ${tenant}-`;
    },
  };
}

/**
 * Returns the endpoint with the rule for tenants around its handler. Every other caller with access to the endpoint
 * reaches the handler itself. Without a rule, an endpoint refuses tenants.
 */
export function guardedForTenants(served: ServedEndpoint, owners: Owners): ServedEndpoint {
  const { endpoint } = served;
  if (accessOf("tenant", endpoint) === "none") return served;
  const rule = BY_SUBJECT.get(endpoint.subject);
  return {
    ...served,
    async handle(request, causation, maxBytes) {
      const { principal, role } = causation;
      if (role !== "tenant" || principal === undefined) return served.handle(request, causation, maxBytes);
      if (rule === undefined) return refuse("FORBIDDEN", `${endpoint.subject} has no rule for tenants`);
      const refused = await refusalOf(rule, request, principal, owners);
      if (refused !== undefined) return refused;
      const own = rule.request?.(request, principal, causation) ?? request;
      const isOwn = (vmId: string) => owners.knownOwnerOf(vmId) === principal;
      const handled = await served.handle(own as never, causation, maxBytes);
      return seenBy(handled, rule, { tenant: principal, isOwn, owners });
    },
  };
}

async function refusalOf(
  { vms, newVms, experiment, newExperiment, refusal }: TenantRule,
  request: Fields,
  tenant: string,
  owners: Owners,
): Promise<Refused | undefined> {
  const why = refusal?.(request, tenant);
  if (why !== undefined) return refuse("FORBIDDEN", `${tenant} ${why}`);
  for (const vmId of vms?.(request) ?? []) {
    if ((await owners.ownerOf(vmId)) !== tenant) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
  }
  for (const vmId of newVms?.(request) ?? []) {
    const owner = await owners.ownerOf(vmId);
    if (owner !== undefined && owner !== tenant) return idTaken(vmId, tenant);
  }
  const known = experiment?.(request);
  if (known !== undefined && (await owners.experimentOwnerOf?.(known)) !== tenant) {
    return refuse("EXPERIMENT_NOT_FOUND", `there is no experiment ${known}`);
  }
  const fresh = newExperiment?.(request);
  if (typeof fresh === "string") {
    const owner = await owners.experimentOwnerOf?.(fresh);
    if (owner !== undefined && owner !== tenant) return idTaken(fresh, tenant);
  }
  return undefined;
}

/** Returns the refusal of an id that a VM of another owner has, or had before it was destroyed. */
export function idTaken(vmId: string, tenant: string): Refused {
  return refuse("FORBIDDEN", `${tenant} may not use the id ${vmId}: choose another one`);
}

/**
 * Returns the refusal of a tenant's command on a VM that the tenant does not own in this state. The endpoint has looked
 * before; a transfer may have come in between, so the decision looks at the state that it decides on.
 */
export function refusedToTenant(
  vmId: string,
  state: VmState,
  { role, principal }: Pick<Causation, "role" | "principal">,
): Refused | undefined {
  if (role !== "tenant" || !state.exists || state.owner === principal) return undefined;
  return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
}

interface Reading {
  readonly tenant: string;
  readonly isOwn: (vmId: string) => boolean;
  readonly owners: Owners;
}

/** Returns the answer without the VMs of other owners. */
function seenBy(handled: HandlerResult, rule: TenantRule, { tenant, isOwn, owners }: Reading): HandlerResult {
  const isHidden = (id: string) => owners.knownOwnerOf(id) !== undefined && !isOwn(id);
  if (!handled.ok) return { ok: false, rejection: withoutVms(handled.rejection, tenant, isHidden) };
  const result = rule.result?.(handled.result, isOwn) ?? handled.result;
  return { ok: true, result: withoutVms(result, tenant, isHidden) };
}
