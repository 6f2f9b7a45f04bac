/**
 * A tenant's command at an instance that has not read yet that the VM was given to another owner.
 */
import {
  ENDPOINTS,
  type EndpointName,
  guardedForTenants,
  type HandlerResult,
  type Role,
  type ServedEndpoint,
} from "@bioxen/contracts";
import type { Causation, ServicePorts } from "@bioxen/kernel";
import { FakeClock, idsInOrder, MemoryEventLog } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { createLifecycle } from "./service.ts";

const MAX_BYTES = 100_000;
const NOT_FOUND = { ok: false, rejection: { code: "VM_NOT_FOUND" } };
type Ask = (name: EndpointName, caller: string, request?: object) => Promise<HandlerResult>;

/** Two instances on one log without a feed. `ask` goes through the rule for tenants, `decide` to the handler itself. */
function instances() {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  let commands = 0;
  const made = ["one", "other"].map((name) => {
    const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const ports = { log, clock, timers: clock, ids: idsInOrder(name), logger } as unknown as ServicePorts;
    const { endpoints, owners } = createLifecycle(ports);
    const asking =
      (guard: (served: ServedEndpoint) => ServedEndpoint): Ask =>
      async (endpoint, principal, request = {}) => {
        commands += 1;
        const causeId = `command-${commands}`;
        const role: Role = principal === "admin" ? "admin" : "tenant";
        const causation: Causation = { causeId, correlationId: causeId, deduplicate: true, role, principal };
        const { subject, request: schema } = ENDPOINTS[endpoint];
        const served = endpoints.find((one) => one.endpoint.subject === subject);
        if (served === undefined) throw new Error(`no endpoint ${endpoint}`);
        return guard(served).handle(schema.parse(request) as never, causation, MAX_BYTES);
      };
    return { ask: asking((served) => guardedForTenants(served, owners)), decide: asking((served) => served) };
  });
  const [one, other] = made;
  if (one === undefined || other === undefined) throw new Error("two instances were made");
  return { one, other, lastSeq: () => log.lastSeq() };
}

/** The VM `alice-1`, which the first instance knows as one of alice, and which is one of bob in the log. */
async function givenAway() {
  const made = instances();
  const created = await made.one.ask("vmCreate", "alice", { vmId: "alice-1", biologicalType: "syn3a" });
  expect(created).toMatchObject({ ok: true, result: { vm: { owner: "alice" } } });
  const given = await made.other.ask("vmTransfer", "admin", { vmId: "alice-1", owner: "bob" });
  expect(given).toMatchObject({ ok: true, result: { changed: true } });
  return made;
}

it.each<[EndpointName, object]>([
  ["vmStart", {}],
  ["vmDestroy", {}],
  ["vmHistory", {}],
  ["vmExec", { source: "return 1" }],
])("%s finds no VM that was given to another owner through another instance", async (name, more) => {
  const { one, lastSeq } = await givenAway();
  const before = await lastSeq();
  expect(await one.ask(name, "alice", { vmId: "alice-1", ...more })).toMatchObject(NOT_FOUND);
  expect(await lastSeq()).toBe(before);
});

it("a transfer between the check of the owner and the decision has the same answer", async () => {
  const { one, lastSeq } = await givenAway();
  const before = await lastSeq();
  expect(await one.decide("vmStart", "alice", { vmId: "alice-1" })).toMatchObject(NOT_FOUND);
  expect(await lastSeq()).toBe(before);
  expect(await one.decide("vmStart", "bob", { vmId: "alice-1" })).toMatchObject({ ok: true });
});

it("the former owner cannot create the VM again, alive or destroyed", async () => {
  const { one } = await givenAway();
  const again = { vmId: "alice-1", biologicalType: "syn3a" };
  const refused = { ok: false, rejection: { code: "FORBIDDEN" } };
  expect(await one.ask("vmCreate", "alice", again)).toMatchObject(refused);
  expect(await one.ask("vmDestroy", "bob", { vmId: "alice-1" })).toMatchObject({ ok: true });
  expect(await one.ask("vmCreate", "alice", again)).toMatchObject(refused);
});
