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
  /** Returns why the tenant may not send the request; undefined when it may. */
  readonly refusal?: (request: Fields, tenant: string) => string | undefined;
  /** Returns the request that the handler gets. */
  readonly request?: (request: Fields, tenant: string, causation: Causation) => Fields;
  /** Returns the result that the tenant gets. */
  readonly result?: (result: Fields, isOwn: (vmId: string) => boolean) => Fields;
}

/** The rules by name of the endpoint. A test compares them with the endpoints that a tenant may call. */
export const TENANT_RULES = {
  vmCreate: { refusal: newId("vmId") },
  vmStart: ofVm(),
  vmPause: ofVm(),
  vmResume: ofVm(),
  vmStop: ofVm(),
  vmDestroy: ofVm(),
  vmResize: ofVm(),
  vmExec: ofVm(),
  vmSnapshot: ofVm(),
  vmRestore: ofVm(),
  vmFork: { ...ofVm(), refusal: newId("newVmId") },
  vmDeleteSnapshot: ofVm(),
  vmMigrate: ofVm(),
  vmCancelMigration: ofVm(),
  vmGet: {
    ...ofVm(),
    // The ledger and the chassis of a past state name the VMs of others.
    result: ({ ledger: _, chassis: __, cursor: ___, ...result }) => result,
  },
  vmHistory: ofVm(),
  vmList: { request: (request, tenant) => ({ ...request, owner: tenant }) },
  chassisList: {
    result: (result) => ({
      ...result,
      chassis: listOf(result["chassis"]).map(({ hosts: _, labels: __, agentId: ___, ...chassis }) => ({
        ...chassis,
        labels: {},
        agentId: "",
      })),
    }),
  },
  placementPlan: {
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

function listOf(list: unknown): readonly Record<string, unknown>[] {
  return list as readonly Record<string, unknown>[];
}

function ownOnly(list: unknown, isOwn: (vmId: string) => boolean) {
  return listOf(list).filter(({ vmId }) => isOwn(vmId as string));
}

/** Returns the check that the id of a new VM begins with the name of the tenant. */
function newId(field: string): NonNullable<TenantRule["refusal"]> {
  return (request, tenant) => {
    const id = request[field];
    if (id === undefined || (typeof id === "string" && id.startsWith(`${tenant}-`))) return undefined;
    return `may create only VMs whose id begins with ${tenant}-`;
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
      return seenBy(handled, rule, isOwn, (vmId) => owners.knownOwnerOf(vmId) !== undefined);
    },
  };
}

async function refusalOf(
  { vms, refusal }: TenantRule,
  request: Fields,
  tenant: string,
  owners: Owners,
): Promise<Refused | undefined> {
  const why = refusal?.(request, tenant);
  if (why !== undefined) return refuse("FORBIDDEN", `${tenant} ${why}`);
  for (const vmId of vms?.(request) ?? []) {
    if ((await owners.ownerOf(vmId)) !== tenant) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
  }
  return undefined;
}

/** Returns the answer without the VMs of other owners. */
function seenBy(
  handled: HandlerResult,
  rule: TenantRule,
  isOwn: (vmId: string) => boolean,
  isVm: (vmId: string) => boolean,
): HandlerResult {
  const isHidden = (id: string) => isVm(id) && !isOwn(id);
  if (!handled.ok) return { ok: false, rejection: withoutVms(handled.rejection, isHidden) };
  const result = rule.result?.(handled.result, isOwn) ?? handled.result;
  return { ok: true, result: withoutVms(result, isHidden) };
}
