/**
 * The durable commands of several principals, on a real server with accounts: each is carried out for its publisher, and
 * no tenant can use up, read or cancel the jobs of another one.
 */
import { ENDPOINTS, type Identity, serve } from "@bioxen/contracts";
import type { Causation } from "@bioxen/kernel";
import {
  type Bus,
  connectBus,
  openEventLog,
  openInbox,
  openJobCancellation,
  openJobIntake,
  openJobOutcomes,
  openJobWorker,
  openOutcomes,
} from "@bioxen/nats";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountsOf, SERVICES, urlOf, userOf } from "../src/accounts.ts";
import { eventually, TestServer } from "../src/index.ts";
import { ScriptedLeases } from "./job-world.ts";

const ADMIN: Identity = { role: "admin", name: "admin" };
const ALICE: Identity = { role: "tenant", name: "alice" };
const BOB: Identity = { role: "tenant", name: "bob" };
const JOB = "bioxen.job.vm.start";

const systemTimers = {
  after(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every(intervalMs: number, callback: () => void) {
    const timer = setInterval(callback, intervalMs);
    return { cancel: () => clearInterval(timer) };
  },
};

/** Number of slow jobs of one tenant: more than are tried at one time. */
const SLOW_JOBS = 100;
/** Begins the ids of VMs whose start ends when `endSlow` is called. */
const SLOW = "alice-slow-";
let endSlow: () => void = () => undefined;
const slow = new Promise<void>((resolve) => {
  endSlow = resolve;
});

let server: TestServer;
let bus: Bus;
const closers: (() => Promise<unknown>)[] = [];
const clients = new Map<string, NatsConnection>();
const started: (Causation & { readonly vmId: string })[] = [];
/** While this is set, the service that carries jobs out is away. */
let away: string | undefined = "not yet";

beforeAll(async () => {
  server = await TestServer.start(accountsOf([ADMIN, ALICE, BOB]));
  bus = await connectBus({ servers: urlOf(server.port, SERVICES), name: "services", service: "lifecycle" });
  await openEventLog(bus);
  const outcomes = await openOutcomes(bus);
  let ids = 0;
  const options = {
    bus,
    outcomes,
    identities: "mapped",
    newId: () => {
      ids += 1;
      return `made-${ids}`;
    },
    onFault: () => undefined,
  } as const;
  const start = async ({ vmId }: { vmId: string }, causation: Causation) => {
    started.push({ vmId, ...causation });
    if (vmId.startsWith(SLOW)) await slow;
    return { ok: true, result: { changed: true, vm: { vmId } } } as never;
  };
  const onJobs = [await openJobCancellation(bus, outcomes, "mapped"), await openJobOutcomes(bus)];
  const inbox = await openInbox({
    ...options,
    name: "tested",
    version: "1.2.3",
    description: "an inbox under test",
    endpoints: onJobs,
    unavailable: () => undefined,
  });
  const intakes = [await openJobIntake(bus), await openJobIntake(bus)];
  const worker = await openJobWorker({
    ...options,
    service: "lifecycle",
    leases: new ScriptedLeases(),
    endpoints: [serve(ENDPOINTS.vmStart, start)],
    timers: systemTimers,
    unavailable: () => away,
  });
  closers.push(...[inbox, worker, ...intakes].map((one) => () => one.stop()));
});
afterAll(async () => {
  for (const close of closers) await close();
  for (const client of clients.values()) await client.close();
  await bus.close();
  await server.stop();
});

async function ask(caller: Identity, subject: string, payload: object, fields: Record<string, string> = {}) {
  const user = userOf(caller);
  const client = clients.get(user) ?? (await connect({ servers: server.url, user, pass: user }));
  clients.set(user, client);
  const h = headers();
  for (const [name, value] of Object.entries(fields)) h.set(name, value);
  const reply = await client.request(subject, JSON.stringify(payload), { timeout: 5_000, headers: h });
  return reply.json<Record<string, unknown>>();
}
const publish = (caller: Identity, vmId: string, id: string, more: Record<string, string> = {}) =>
  ask(caller, JOB, { vmId }, { "Nats-Msg-Id": id, ...more });
const outcomeOf = (caller: Identity, id: string) => ask(caller, ENDPOINTS.jobOutcomeGet.subject, { id });
const NOT_FOUND = { ok: false, error: { code: "JOB_NOT_FOUND" } };

describe("the jobs of tenants", () => {
  it("are acknowledged while their service is away; an id used twice is a duplicate for its own tenant only", async () => {
    expect(await publish(BOB, "bob-1", "the-same")).toMatchObject({ duplicate: false });
    expect(await publish(ALICE, "alice-1", "the-same")).toMatchObject({
      stream: "BIOXEN_COMMANDS",
      duplicate: false,
    });
    expect(await publish(ALICE, "alice-1", "the-same")).toMatchObject({ duplicate: true });
    expect(await publish(ADMIN, "x", "the-same")).not.toHaveProperty("duplicate");
    expect(started).toEqual([]);
    expect(await outcomeOf(ALICE, "the-same")).toEqual({ ok: true, id: "the-same", outcome: null });
  });

  it("are carried out for their publishers", async () => {
    away = undefined;
    await eventually("three VMs are started", () => started.length === 3 || undefined);
    expect(new Map(started.map(({ vmId, principal, role }) => [vmId, `${role} ${principal}`]))).toEqual(
      new Map([
        ["alice-1", "tenant alice"],
        ["bob-1", "tenant bob"],
        ["x", "admin admin"],
      ]),
    );
    expect(new Set(started.map(({ causeId }) => causeId)).size).toBe(3);
  });

  it("have outcomes that only their publisher reads", async () => {
    const read = (caller: Identity) =>
      eventually("there is an outcome", async () => {
        const reply = await outcomeOf(caller, "the-same");
        return reply["outcome"] === null ? undefined : reply;
      });
    expect(await read(ALICE)).toMatchObject({ outcome: { ok: true, vm: { vmId: "alice-1" } } });
    expect(await read(BOB)).toMatchObject({ outcome: { ok: true, vm: { vmId: "bob-1" } } });
    expect(await read(ADMIN)).toMatchObject({ outcome: { ok: true, vm: { vmId: "x" } } });
    await publish(BOB, "bob-2", "of-bob");
    await eventually("it is done", async () =>
      (await outcomeOf(BOB, "of-bob"))["outcome"] ? true : undefined,
    );
    expect(await outcomeOf(ALICE, "of-bob")).toMatchObject(NOT_FOUND);
    expect(await outcomeOf(ALICE, "_of.bob.of-bob")).toMatchObject(NOT_FOUND);
  });

  it("are cancelled by their publisher only", async () => {
    away = "again";
    await publish(BOB, "bob-3", "to-cancel");
    const cancel = (caller: Identity) => ask(caller, ENDPOINTS.jobCancel.subject, { id: "to-cancel" });
    expect(await cancel(ALICE)).toMatchObject(NOT_FOUND);
    expect(await cancel(BOB)).toMatchObject({ ok: true, changed: true, job: { id: "to-cancel" } });
    expect(await outcomeOf(BOB, "to-cancel")).toMatchObject({ outcome: { error: { code: "CANCELLED" } } });
  });

  it.each<[string, object, Record<string, string>, number]>([
    ["bioxen.job.quota.set", { label: "a", resources: {} }, { "Nats-Msg-Id": "q" }, 403],
    ["bioxen.job.vm.report", {}, { "Nats-Msg-Id": "q" }, 400],
    ["bioxen.job.vm.start", {}, {}, 400],
    ["bioxen.job.vm.start", {}, { "Nats-Msg-Id": "_of.bob.x" }, 400],
  ])("on %s with %j and the headers %j is not stored: %i", async (subject, payload, fields, code) => {
    expect(await ask(ALICE, subject, payload, fields)).toMatchObject({ error: { code } });
  });

  it("do not wait behind the jobs of another tenant", async () => {
    const before = away;
    away = undefined;
    const vms = Array.from({ length: SLOW_JOBS }, (_, i) => `${SLOW}${i}`);
    for (const vmId of vms) expect(await publish(ALICE, vmId, vmId)).toMatchObject({ duplicate: false });
    const begun = () => started.filter(({ vmId }) => vmId.startsWith(SLOW)).length;
    await eventually("slow jobs are under way", () => begun() > 0 || undefined);
    expect(await publish(BOB, "bob-9", "quick")).toMatchObject({ duplicate: false });
    await eventually("the job of the other tenant is carried out", async () => {
      const { outcome } = await outcomeOf(BOB, "quick");
      return outcome === null ? undefined : outcome;
    });
    expect(begun()).toBeLessThan(SLOW_JOBS);
    endSlow();
    await eventually("every job is carried out", () => begun() === SLOW_JOBS || undefined);
    away = before;
  });

  it("take no id from a header that BioXen itself sets", async () => {
    await publish(ALICE, "alice-2", "own", { "Bioxen-Job-Id": "_of.bob.own" });
    expect(await outcomeOf(BOB, "own")).toMatchObject(NOT_FOUND);
    expect(await outcomeOf(ALICE, "own")).toMatchObject({ ok: true, outcome: null });
  });
});
