/**
 * Every endpoint of the catalogue with every role: who reaches the handler, with which request, and what a tenant sees.
 */
import type { Causation } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { accessOf, forbiddenTo } from "./access.ts";
import { ENDPOINTS, type EndpointName } from "./endpoints/catalogue.ts";
import type { HandlerResult, ServedEndpoint } from "./handler.ts";
import { principalOf, ROLES, type Role } from "./identities.ts";
import { guardedForTenants, type Owners, TENANT_RULES } from "./tenants.ts";

const OWNERS = new Map([
  ["alice-1", "alice"],
  ["alice-2", "alice"],
  ["bob-1", "bob"],
  // Alice created it, and it was given to bob.
  ["alice-given", "bob"],
  ["old", "admin"],
]);
const owners: Owners = {
  ownerOf: async (vmId) => OWNERS.get(vmId),
  knownOwnerOf: (vmId) => OWNERS.get(vmId),
};
const ALL = Object.entries(ENDPOINTS) as [EndpointName, (typeof ENDPOINTS)[EndpointName]][];

const causedBy = (role: Role, name = "alice"): Causation => ({
  causeId: "c",
  correlationId: "c",
  deduplicate: false,
  principal: principalOf({ role, name }),
  role,
});

/** A result that has every list which the rules look into. */
const EMPTY: HandlerResult = { ok: true, result: { preemptions: [], preempted: [], chassis: [] } };

/** An endpoint whose handler notes each request, and answers with `result`. */
function noted(name: EndpointName, result: HandlerResult = EMPTY) {
  const requests: unknown[] = [];
  const handle = (request: unknown) => {
    requests.push(request);
    return result;
  };
  const served: ServedEndpoint = { endpoint: ENDPOINTS[name], handle: handle as never };
  return { requests, guarded: guardedForTenants(served, owners) };
}

const asked = (name: EndpointName, request: object, role: Role = "tenant") => {
  const { guarded, requests } = noted(name);
  return { requests, answer: guarded.handle(request as never, causedBy(role)) };
};

/** Endpoints on jobs are served by the host, which keeps the ids of each principal apart. */
const OF_HOST: readonly string[] = [ENDPOINTS.jobCancel.subject, ENDPOINTS.jobOutcomeGet.subject];
const OF_TENANTS = ALL.filter(([, endpoint]) => accessOf("tenant", endpoint) === "own");

/** Events in the history of a VM of alice: an operator's, and one whose chain of causes alice began. */
const VISIBLE_EVENTS = [
  {
    seq: 2,
    principal: "olga",
    correlationid: "olga/bioxen.cmd.vm.pause#1",
    causationid: "olga/bioxen.cmd.vm.pause#1",
    causedBy: null,
  },
  {
    seq: 3,
    principal: "service:lifecycle",
    onbehalfof: "alice",
    correlationid: "alice/bioxen.cmd.vm.start#1",
    causationid: "e-of-alice-1",
    traceparent: "00-1-3-01",
    causedBy: { seq: 8, type: "bioxen.ledger.reserved.v2", subject: "ledger/ecoli-1" },
  },
];

describe("each endpoint with each role", () => {
  it.each(ALL)("%s", async (name, endpoint) => {
    for (const role of ROLES) {
      const access = accessOf(role, endpoint);
      const forbidden = forbiddenTo({ role, name: "alice" }, endpoint);
      expect(forbidden?.rejection.code, role).toBe(access === "none" ? "FORBIDDEN" : undefined);
      if (access === "own") {
        expect(role, "only tenants are limited to what they own").toBe("tenant");
        expect(name in TENANT_RULES || OF_HOST.includes(endpoint.subject), "it has a rule").toBe(true);
      }
      if (access !== "all") continue;
      const request = { vmId: "bob-1", newVmId: "x", vmIds: ["bob-1"], label: "l" };
      const { requests, answer } = asked(name, request, role);
      expect(await answer, role).toEqual(EMPTY);
      expect(requests, role).toEqual([request]);
    }
  });

  it("refuses a tenant where an endpoint has no rule", async () => {
    const { requests, answer } = asked("jobCancel", { id: "job-1" });
    expect(await answer).toMatchObject({ ok: false, rejection: { code: "FORBIDDEN" } });
    expect(requests).toEqual([]);
  });

  it("has no rule for an endpoint that tenants may not call", () => {
    const allowed = OF_TENANTS.map(([name]) => name);
    for (const name of Object.keys(TENANT_RULES)) expect(allowed).toContain(name);
  });

  it("gives a tenant exactly what the contract lists", () => {
    expect(OF_TENANTS.map(([, { subject }]) => subject.slice("bioxen.".length)).sort()).toEqual([
      "cmd.experiment.cancel",
      "cmd.experiment.start",
      "cmd.job.cancel",
      "cmd.vm.cancel-migration",
      "cmd.vm.create",
      "cmd.vm.delete-snapshot",
      "cmd.vm.destroy",
      "cmd.vm.exec",
      "cmd.vm.fork",
      "cmd.vm.migrate",
      "cmd.vm.pause",
      "cmd.vm.resize",
      "cmd.vm.restore",
      "cmd.vm.resume",
      "cmd.vm.set-environment",
      "cmd.vm.snapshot",
      "cmd.vm.start",
      "cmd.vm.stop",
      "qry.chassis.list",
      "qry.course.get",
      "qry.experiment.get",
      "qry.experiment.list",
      "qry.job.outcome",
      "qry.placement.explain",
      "qry.placement.plan",
      "qry.quota.get",
      "qry.vm.get",
      "qry.vm.history",
      "qry.vm.list",
    ]);
  });
});

describe("a tenant", () => {
  const onVms = OF_TENANTS.filter(([name]) => {
    const rule = (TENANT_RULES as Partial<Record<EndpointName, object>>)[name];
    return rule !== undefined && "vms" in rule;
  }).map(([name]) => name);
  const requestOn = (vmId: string) => ({ vmId, vmIds: ["alice-1", vmId], newVmId: "alice-9" });
  /** A plan names existing VMs in `vmIds`; its `vmId` is the id of a new VM. */
  const planOf = (vmId: string) => ({ vmIds: ["alice-1", vmId] });
  const requestTo = (name: EndpointName, vmId: string) =>
    name === "placementPlan" ? planOf(vmId) : requestOn(vmId);

  it.each(onVms)("reaches its own VM by %s", async (name) => {
    const request = requestTo(name, "alice-2");
    const { requests, answer } = asked(name, request);
    expect(await answer).toMatchObject({ ok: true });
    expect(requests).toEqual([request]);
  });

  it.each(onVms)(
    "gets from %s the same VM_NOT_FOUND for a VM of another owner as for an absent one",
    async (name) => {
      const foreign = asked(name, requestTo(name, "bob-1"));
      const unknown = asked(name, requestTo(name, "absent"));
      const textOf = async (answer: typeof foreign.answer) => JSON.stringify(await answer);
      expect(await foreign.answer).toMatchObject({ ok: false, rejection: { code: "VM_NOT_FOUND" } });
      expect((await textOf(foreign.answer)).replaceAll("bob-1", "absent")).toBe(await textOf(unknown.answer));
      expect([...foreign.requests, ...unknown.requests]).toEqual([]);
    },
  );

  it.each([
    ["vmCreate", { vmId: "bob-2" }, "FORBIDDEN"],
    ["vmCreate", { vmId: "alice" }, "FORBIDDEN"],
    ["vmCreate", { vmId: "alice2-1" }, "FORBIDDEN"],
    ["vmFork", { vmId: "alice-1", newVmId: "bob-2" }, "FORBIDDEN"],
    ["vmFork", { vmId: "bob-1", newVmId: "alice-2" }, "VM_NOT_FOUND"],
    ["vmCreate", { vmId: "alice-given" }, "FORBIDDEN"],
    ["vmFork", { vmId: "alice-1", newVmId: "alice-given" }, "FORBIDDEN"],
    ["placementPlan", { vmId: "bob-1" }, "FORBIDDEN"],
    ["placementPlan", { vmId: "alice-given" }, "FORBIDDEN"],
    ["quotaGet", { owner: "bob" }, "FORBIDDEN"],
    ["quotaGet", { label: "team" }, "FORBIDDEN"],
  ] as const)("is refused by %s with %j: %s", async (name, request, code) => {
    const { requests, answer } = asked(name, request);
    expect(await answer).toMatchObject({ ok: false, rejection: { code, retryable: false } });
    expect(requests).toEqual([]);
  });

  it.each([
    ["vmCreate", { vmId: "alice-9" }],
    ["vmCreate", {}],
    ["quotaGet", { owner: "alice" }],
  ] as const)("is served by %s with %j", async (name, request) => {
    expect(await asked(name, request).answer).toMatchObject({ ok: true });
  });

  it("lists its own VMs only, whatever owner it names", async () => {
    const { requests, answer } = asked("vmList", { limit: 5, owner: "bob" });
    await answer;
    expect(requests).toEqual([{ limit: 5, owner: "alice" }]);
  });

  it.each<[EndpointName, object, object, object]>([
    [
      "vmGet",
      { vmId: "alice-1", atSeq: 7 },
      {
        vm: { vmId: "alice-1", reason: "preempted for bob-1", preemption: { by: "bob-1" } },
        ledger: {},
        chassis: {},
      },
      { vm: { vmId: "alice-1", reason: "preempted for another VM", preemption: { by: "another VM" } } },
    ],
    [
      "vmHistory",
      { vmId: "alice-1" },
      { events: [{ seq: 1, data: { by: "alice-2", reason: "alice-2, then bob-1 and bob-10" } }] },
      { events: [{ seq: 1, data: { by: "alice-2", reason: "alice-2, then another VM and bob-10" } }] },
    ],
    [
      "vmHistory",
      { vmId: "alice-1" },
      {
        events: [
          {
            seq: 1,
            principal: "service:lifecycle",
            onbehalfof: "bob",
            correlationid: "bob/bioxen.cmd.vm.start#bob-1",
            causationid: "e-of-bob-1",
            traceparent: "00-1-2-01",
            data: { by: "bob-1" },
            causedBy: { seq: 9, type: "bioxen.vm.start-requested.v1", subject: "vm/bob-1" },
          },
          ...VISIBLE_EVENTS,
        ],
      },
      {
        events: [
          {
            seq: 1,
            principal: "service:lifecycle",
            correlationid: "of another principal",
            causationid: "of another principal",
            data: { by: "another VM" },
            causedBy: null,
          },
          ...VISIBLE_EVENTS,
        ],
      },
    ],
    [
      "placementPlan",
      { vmIds: ["alice-1"] },
      {
        placements: [{ vmId: "alice-1", chassisId: "old" }],
        preemptions: [{ vmId: "alice-1", victims: [{ vmId: "bob-1" }, { vmId: "alice-2" }] }],
      },
      {
        placements: [{ vmId: "alice-1", chassisId: "old" }],
        preemptions: [{ vmId: "alice-1", victims: [{ vmId: "alice-2" }] }],
      },
    ],
    [
      "placementExplain",
      { vmId: "alice-1" },
      { summary: "it was starved for bob-1.", preempted: [{ vmId: "bob-1", reason: "x" }] },
      { summary: "it was starved for another VM.", preempted: [] },
    ],
    [
      "chassisList",
      {},
      {
        chassis: [
          {
            chassisId: "ecoli-1",
            free: { ribosomes: 1 },
            agentId: "local",
            labels: { a: "b" },
            hosts: [],
            leftBehind: [{ vmId: "bob-1", uuid: "u", kind: "disk", reason: "VDI_IN_USE" }],
          },
        ],
      },
      { chassis: [{ chassisId: "ecoli-1", free: { ribosomes: 1 }, agentId: "", labels: {} }] },
    ],
  ])("sees no VM of others in the answer of %s to %j", async (name, request, result, seen) => {
    const { guarded } = noted(name, { ok: true, result: result as Record<string, unknown> });
    expect(await guarded.handle(request as never, causedBy("tenant"))).toEqual({ ok: true, result: seen });
    const other = await guarded.handle(request as never, causedBy("operator"));
    expect(other, "an operator sees everything").toEqual({ ok: true, result });
  });

  it("sees no VM of others in a refusal", async () => {
    const rejection = {
      code: "CONFLICT",
      message: "bob-1 has it",
      retryable: true,
      details: { by: "bob-1" },
    };
    const { guarded } = noted("vmStart", { ok: false, rejection });
    expect(await guarded.handle({ vmId: "alice-1" } as never, causedBy("tenant"))).toEqual({
      ok: false,
      rejection: { ...rejection, message: "another VM has it", details: { by: "another VM" } },
    });
  });
});
