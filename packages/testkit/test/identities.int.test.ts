/**
 * The caller of a request, on a real server with accounts and on an open one: it is what the server says, never what
 * the caller says.
 */
import { ENDPOINTS, type Identity, type IdentityMode, type ServedEndpoint, serve } from "@bioxen/contracts";
import type { Causation } from "@bioxen/kernel";
import { type Bus, connectBus, openInbox, openOutcomes } from "@bioxen/nats";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountsOf, SERVICES, urlOf, userOf } from "../src/accounts.ts";
import { eventually } from "../src/eventually.ts";
import { TestServer } from "../src/index.ts";
import { sendRaw } from "./raw-protocol.ts";

const ADMIN: Identity = { role: "admin", name: "admin" };
const ALICE: Identity = { role: "tenant", name: "alice" };
const BOB: Identity = { role: "tenant", name: "bob" };
const EYE: Identity = { role: "observer", name: "eye" };
const AGENT: Identity = { role: "agent", name: "local" };
const SCHEDULER: Identity = { role: "service", name: "chassis-scheduler" };
const CALLERS = [ADMIN, ALICE, BOB, EYE, AGENT, SCHEDULER];

/** Headers by which a caller claims to be another one. */
const CLAIMS = {
  "Bioxen-Service": "lifecycle",
  "Bioxen-On-Behalf-Of": "admin",
  "Nats-Request-Info": '{"acc":"S-lifecycle","user":"admin"}',
  "nats-request-info": '{"acc":"S-lifecycle","user":"admin"}',
};
const VM = { vmId: "alice-1" };

interface World {
  readonly server: TestServer;
  /** A service with an account of its own; on an open server, a client like any other. */
  readonly scheduler: Bus;
  readonly seen: Causation[];
  /** Sends a request as a caller; returns its reply, or undefined when no service may hear it. */
  ask(caller: Identity | undefined, subject: string, payload: object, fields?: object): Promise<unknown>;
  close(): Promise<void>;
}

async function openWorld(identities: IdentityMode): Promise<World> {
  const server = await TestServer.start(identities === "mapped" ? accountsOf(CALLERS) : "");
  const url = (user: string) => (identities === "mapped" ? urlOf(server.port, user) : server.url);
  const services = await connectBus({
    servers: url(SERVICES),
    name: "services",
    service: "lifecycle",
  });
  const scheduler = await connectBus({
    servers: url(userOf(SCHEDULER)),
    name: "scheduler",
    service: "lifecycle",
  });
  const seen: Causation[] = [];
  const note = (_request: unknown, causation: Causation) => {
    seen.push(causation);
    return { ok: true, result: { changed: true } } as never;
  };
  const endpoints: ServedEndpoint[] = [
    serve(ENDPOINTS.vmStart, note),
    serve(ENDPOINTS.vmGet, note),
    serve(ENDPOINTS.quotaSet, note),
    serve(ENDPOINTS.vmReport, note),
    serve(ENDPOINTS.vmReinstate, note),
  ];
  let ids = 0;
  const inbox = await openInbox({
    bus: services,
    name: "tested",
    version: "1.2.3",
    description: "an inbox under test",
    endpoints,
    outcomes: await openOutcomes(services),
    identities,
    newId: () => {
      ids += 1;
      return `made-${ids}`;
    },
    unavailable: () => undefined,
    onFault: () => undefined,
  });
  const clients = new Map<string, NatsConnection>();
  return {
    server,
    scheduler,
    seen,
    async ask(caller, subject, payload, fields = {}) {
      const user = caller === undefined ? SERVICES : userOf(caller);
      const client = clients.get(user) ?? (await connect({ servers: server.url, user, pass: user }));
      clients.set(user, client);
      const h = headers();
      for (const [name, value] of Object.entries(fields)) h.set(name, value as string);
      const options = { timeout: 5_000, headers: h };
      const reply = await client.request(subject, JSON.stringify(payload), options).catch(() => undefined);
      return reply?.json();
    },
    async close() {
      await inbox.stop();
      for (const client of clients.values()) await client.close();
      await scheduler.close();
      await services.close();
      await server.stop();
    },
  };
}

describe("on a server with accounts", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld("mapped");
  });
  afterAll(() => world.close());
  const last = () => world.seen.at(-1);

  it.each([
    [ALICE, "alice"],
    [ADMIN, "admin"],
  ])("%j is the principal of its command, whatever its headers claim", async (caller, principal) => {
    expect(await world.ask(caller, ENDPOINTS.vmStart.subject, VM, CLAIMS)).toMatchObject({ ok: true });
    expect(last()).toMatchObject({ principal, role: caller.role });
    expect(last()).not.toHaveProperty("onBehalfOf");
  });

  it("an agent is the principal of its report", async () => {
    const report = { vmId: "a", fence: 1, observed: "started" };
    expect(await world.ask(AGENT, ENDPOINTS.vmReport.subject, report, CLAIMS)).toMatchObject({ ok: true });
    expect(last()).toMatchObject({ principal: "agent:local", role: "agent" });
    expect(last()).not.toHaveProperty("onBehalfOf");
  });

  it("a service is the principal of its call, on behalf of the principal that began the chain", async () => {
    const causation = { causeId: "e-1", correlationId: "c-1", deduplicate: false, onBehalfOf: "alice" };
    const request = { vmId: "a", fence: 1, preemptedSeq: 1 };
    await world.scheduler.call(ENDPOINTS.vmReinstate.subject, request, { timeoutMs: 5_000, causation });
    expect(last()).toMatchObject({
      principal: "service:chassis-scheduler",
      role: "service",
      onBehalfOf: "alice",
    });
  });

  it("a call of a service for a command names the caller of that command", async () => {
    const causation = {
      causeId: "e-1",
      correlationId: "c-1",
      deduplicate: false,
      principal: "bob",
      role: "tenant",
    };
    const request = { vmId: "a", fence: 1, preemptedSeq: 1 };
    await world.scheduler.call(ENDPOINTS.vmReinstate.subject, request, { timeoutMs: 5_000, causation });
    expect(last()).toMatchObject({ principal: "service:chassis-scheduler", onBehalfOf: "bob" });
  });

  const REINSTATE = [ENDPOINTS.vmReinstate.subject, { vmId: "a", fence: 1, preemptedSeq: 1 }] as const;
  const FORGED = '{"acc":"S-lifecycle"}';
  it.each<[string, readonly [string, string][]]>([
    ["its own header", [["Bioxen-Service", "lifecycle"]]],
    ["the server's header", [["Nats-Request-Info", FORGED]]],
    ["the header in lower case", [["nats-request-info", FORGED]]],
    ["the header with a space", [["Nats-Request-Info ", FORGED]]],
    [
      "the header twice",
      [
        ["Nats-Request-Info", FORGED],
        ["Nats-Request-Info", FORGED],
      ],
    ],
    [
      "the header behind one whose name ends the same",
      [
        ["A-Nats-Request-Info", "x"],
        ["Nats-Request-Info", FORGED],
      ],
    ],
    [
      "the header behind one whose value names it",
      [
        ["A", "Nats-Request-Info: x"],
        ["Nats-Request-Info", FORGED],
      ],
    ],
    [
      "the header behind one whose name begins the same",
      [
        ["Nats-Request-Info-A", "x"],
        ["Nats-Request-Info", FORGED],
      ],
    ],
  ])("a service is not another one by %s", async (_what, fields) => {
    const before = world.seen.length;
    const lines = fields.map(([name, value]) => `${name}: ${value}`);
    const [subject, request] = REINSTATE;
    const head = ["NATS/1.0", ...lines, "", ""].join("\r\n");
    const body = JSON.stringify(request);
    const sizes = `${head.length} ${head.length + body.length}`;
    const url = urlOf(world.server.port, userOf(SCHEDULER));
    await sendRaw(url, `HPUB ${subject} _INBOX.forger ${sizes}\r\n${head}${body}\r\n`);
    await eventually("the request arrives", async () => world.seen.length > before || undefined);
    expect(world.seen).toHaveLength(before + 1);
    expect(last()).toMatchObject({ principal: "service:chassis-scheduler", role: "service" });
  });

  it.each(["two words", "service:lifecycle", "agent:", "a.b"])("no service serves %j", async (served) => {
    const fields = { "Bioxen-Service": served, "Bioxen-On-Behalf-Of": served };
    await world.ask(undefined, ENDPOINTS.vmStart.subject, VM, fields);
    expect(last()).toMatchObject({ principal: "service:unknown" });
    expect(last()).not.toHaveProperty("onBehalfOf");
  });

  it.each([
    [ALICE, ENDPOINTS.quotaSet.subject, { label: "a", resources: {} }],
    [ALICE, ENDPOINTS.vmReinstate.subject, { vmId: "a", fence: 1, preemptedSeq: 1 }],
    [EYE, ENDPOINTS.vmStart.subject, VM],
    [AGENT, ENDPOINTS.vmStart.subject, VM],
  ])("%j is FORBIDDEN to call %s", async (caller, subject, payload) => {
    const before = world.seen.length;
    const reply = await world.ask(caller, subject, payload, CLAIMS);
    if (caller.role === "agent") expect(reply).toBeUndefined();
    else expect(reply).toMatchObject({ ok: false, error: { code: "FORBIDDEN", retryable: false } });
    expect(world.seen).toHaveLength(before);
  });

  it("no client reaches the mapped subject of another one", async () => {
    const before = world.seen.length;
    for (const subject of ["bioxen.as.admin.admin.cmd.vm.start", "bioxen.from.local.cmd.vm.report"]) {
      expect(await world.ask(ALICE, subject, VM)).toBeUndefined();
    }
    expect(world.seen).toHaveLength(before);
  });

  it("the message ids of two principals are two commands", async () => {
    const fields = { "Nats-Msg-Id": "the-same" };
    const before = world.seen.length;
    for (const caller of [ALICE, BOB, ALICE]) await world.ask(caller, ENDPOINTS.vmStart.subject, VM, fields);
    expect(world.seen.slice(before).map(({ principal }) => principal)).toEqual(["alice", "bob"]);
    expect(new Set(world.seen.slice(before).map(({ causeId }) => causeId)).size).toBe(2);
  });
});

describe("on an open server", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld("open");
  });
  afterAll(() => world.close());

  it("every caller is anonymous, whatever its headers claim", async () => {
    expect(await world.ask(ALICE, ENDPOINTS.vmStart.subject, VM, CLAIMS)).toMatchObject({ ok: true });
    expect(world.seen.at(-1)).toMatchObject({ principal: "anonymous", role: "anonymous" });
    expect(world.seen.at(-1)).not.toHaveProperty("onBehalfOf");
  });

  it("no service hears a mapped subject", async () => {
    expect(await world.ask(ALICE, "bioxen.as.admin.admin.cmd.vm.start", VM)).toBeUndefined();
  });
});
