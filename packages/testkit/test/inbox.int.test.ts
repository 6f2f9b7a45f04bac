/**
 * The inbox on a real server: every request gets exactly one answer.
 */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { ENDPOINTS, MAX_PAYLOAD_BYTES, refuse, type ServedEndpoint, serve } from "@bioxen/contracts";
import { type Causation, Fault } from "@bioxen/kernel";
import { type Bus, connectBus, discoverServices, type Inbox, openInbox, openOutcomes } from "@bioxen/nats";
import { jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, TestServer } from "../src/index.ts";
import { sendRaw } from "./raw-protocol.ts";

let server: TestServer;
let bus: Bus;
let inbox: Inbox;
let client: NatsConnection;
let unavailable: string | undefined;
let refusals = 0;
const causations: Causation[] = [];
const faults: string[] = [];
const foreign: string[] = [];
let release: (() => void) | undefined;

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const VM = { chassisId: "c1" };
const endpoints: ServedEndpoint[] = [
  serve(ENDPOINTS.chassisList, () => ({ ok: true, result: { chassis: [], cursor: null } })),
  serve(ENDPOINTS.vmGet, () => refuse("VM_NOT_FOUND", "there is\nno VM", { details: { a: 1 } })),
  serve(ENDPOINTS.vmHistory, (_request, causation) => {
    causations.push(causation);
    return { ok: true, result: { events: [], cursor: null } };
  }),
  serve(ENDPOINTS.ledgerGet, () => {
    throw new Fault("TIMEOUT", "the log is slow", { retryable: true });
  }),
  serve(ENDPOINTS.chassisGet, () => {
    throw new TypeError("a bug");
  }),
  serve(ENDPOINTS.chassisUncordon, () => {
    refusals += 1;
    return refuse("CHASSIS_NOT_FOUND", `refusal ${refusals}`);
  }),
  serve(ENDPOINTS.chassisCordon, async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return refuse("CHASSIS_NOT_FOUND", "late, but answered");
  }),
];

beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "inbox" });
  const jsm = await jetstreamManager(bus.connection);
  await jsm.streams.add({ name: "ORDERS", subjects: ["orders.>"], storage: StorageType.Memory });
  client = await connect({ servers: server.url });
  let count = 0;
  inbox = await openInbox({
    bus,
    name: "tested",
    version: "1.2.3",
    description: "an inbox under test",
    endpoints,
    outcomes: await openOutcomes(bus),
    newId: () => {
      count += 1;
      return `made-${count}`;
    },
    unavailable: () => unavailable,
    onFault: (subject) => faults.push(subject),
    onForeignReply: (subject, reply) => foreign.push(`${subject} ${reply}`),
  });
});
afterAll(async () => {
  await client.close();
  await bus.close();
  await server.stop();
});

async function send(subject: string, payload: string | Uint8Array, fields: Record<string, string> = {}) {
  const h = headers();
  for (const [name, value] of Object.entries(fields)) h.set(name, value);
  const message = await client.request(subject, payload, { timeout: 5_000, headers: h });
  return {
    body: message.json<Record<string, unknown> & { error?: { code: string; details?: unknown } }>(),
    headers: message.headers,
  };
}

describe("the inbox", () => {
  it("answers a request, and reads an empty payload as an empty object", async () => {
    expect((await send(ENDPOINTS.chassisList.subject, "")).body).toEqual({
      ok: true,
      chassis: [],
      cursor: null,
    });
  });

  it.each([
    ["not JSON", "{"],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["not an object", "[1]"],
    ["with unknown fields", '{"x":1}'],
  ])("rejects a payload that is %s, and names the problem", async (_what, payload) => {
    const { body } = await send(ENDPOINTS.chassisList.subject, payload);
    expect(body).toMatchObject({ ok: false, error: { code: "BAD_REQUEST", retryable: false } });
    expect(body.error?.details).toMatchObject({ problems: [{ path: expect.any(String) }] });
  });

  it("rejects a payload over the limit without parsing it", async () => {
    const { body } = await send(ENDPOINTS.chassisList.subject, "x".repeat(MAX_PAYLOAD_BYTES + 1));
    expect(body.error).toMatchObject({ code: "TOO_LARGE", details: { limit: MAX_PAYLOAD_BYTES } });
  });

  it("gives a rejection the headers of the services protocol, each on one line", async () => {
    const { body, headers: h } = await send(ENDPOINTS.vmGet.subject, '{"vmId":"a"}');
    expect(body.error).toEqual({
      code: "VM_NOT_FOUND",
      message: "there is\nno VM",
      retryable: false,
      details: { a: 1 },
    });
    expect(h?.get("Nats-Service-Error-Code")).toBe("404");
    expect(h?.get("Nats-Service-Error")).toBe("VM_NOT_FOUND: there is no VM");
  });

  it("answers a fault as UNAVAILABLE, and a bug as INTERNAL without its message", async () => {
    expect((await send(ENDPOINTS.ledgerGet.subject, JSON.stringify(VM))).body.error).toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
    const bug = (await send(ENDPOINTS.chassisGet.subject, JSON.stringify(VM))).body;
    expect(bug.error).toMatchObject({ code: "INTERNAL" });
    expect(JSON.stringify(bug)).not.toContain("a bug");
    expect(faults).toEqual([ENDPOINTS.ledgerGet.subject, ENDPOINTS.chassisGet.subject]);
  });

  it("deduplicates by message id and subject, and passes cause and trace on", async () => {
    const { subject } = ENDPOINTS.vmHistory;
    await send(subject, '{"vmId":"a"}', { "Nats-Msg-Id": "m1", traceparent: TRACE });
    await send(subject, '{"vmId":"a"}', {
      "Bioxen-Correlation-Id": "chain",
      "Bioxen-Causation-Id": "event-7",
    });
    await send(subject, '{"vmId":"a"}', { traceparent: "00-t-s-01" });
    const caller = { principal: "anonymous", role: "anonymous" };
    expect(causations).toEqual([
      {
        ...caller,
        causeId: `${subject}:m1`,
        correlationId: `${subject}:m1`,
        deduplicate: true,
        traceparent: TRACE,
      },
      { ...caller, causeId: "event-7", correlationId: "chain", deduplicate: false },
      {
        ...caller,
        causeId: expect.stringMatching(/^made-/),
        correlationId: expect.stringMatching(/^made-/),
        deduplicate: false,
      },
    ]);
  });

  it("answers a message id with its first outcome, even in a changed state", async () => {
    const { subject } = ENDPOINTS.chassisUncordon;
    const once = { "Nats-Msg-Id": "once" };
    const twice = await Promise.all([1, 2].map(() => send(subject, JSON.stringify(VM), once)));
    expect(twice.map(({ body }) => body.error)).toEqual([twice[0]?.body.error, twice[0]?.body.error]);
    expect((await send(subject, ' { "chassisId" : "c1" } ', once)).body).toEqual(twice[0]?.body);
    const other = await send(subject, JSON.stringify(VM), { "Nats-Msg-Id": "other" });
    expect(other.body.error).not.toEqual(twice[0]?.body.error);
    for (let i = 0; i < 2; i += 1) {
      expect((await send(subject, "{", { "Nats-Msg-Id": "bad" })).body.error?.code).toBe("BAD_REQUEST");
    }
  });

  it("answers CONFLICT to another payload under a used message id, and carries out nothing", async () => {
    const { subject } = ENDPOINTS.chassisUncordon;
    const used = { "Nats-Msg-Id": "used" };
    const first = await send(subject, JSON.stringify(VM), used);
    const before = refusals;
    for (const payload of ["{", '{"chassisId":"c2"}', '{"chassisId":"c1","x":1}']) {
      expect((await send(subject, payload, used)).body.error).toMatchObject({
        code: "CONFLICT",
        retryable: false,
      });
    }
    expect(refusals).toBe(before);
    expect((await send(subject, JSON.stringify(VM), used)).body).toEqual(first.body);
  });

  it("answers CONFLICT while the first command under the id is still in progress", async () => {
    const { subject } = ENDPOINTS.chassisCordon;
    const id = { "Nats-Msg-Id": "in-progress" };
    const late = send(subject, JSON.stringify(VM), id);
    await eventually("the request is in flight", () => release);
    expect((await send(subject, '{"chassisId":"c2"}', id)).body.error).toMatchObject({ code: "CONFLICT" });
    release?.();
    release = undefined;
    expect((await late).body.error).toMatchObject({ code: "CHASSIS_NOT_FOUND" });
  });

  it("keeps to an outcome that an earlier version stored without a digest", async () => {
    const { subject } = ENDPOINTS.chassisUncordon;
    const key = createHash("sha256").update(`${subject}:from-before`).digest("hex");
    const outcome = { ok: false, rejection: { code: "CHASSIS_NOT_FOUND", message: "old", retryable: false } };
    await client.request(`$KV.bioxen-first-outcomes.${key}`, JSON.stringify({ outcome }), { timeout: 2_000 });
    const { body } = await send(subject, JSON.stringify(VM), { "Nats-Msg-Id": "from-before" });
    expect(body.error).toMatchObject({ message: "old" });
  });

  it.each([
    ["arrays", `{"chassisId":${"[".repeat(2_300)}${"]".repeat(2_300)}}`],
    ["objects", `${'{"a":'.repeat(2_300)}1${"}".repeat(2_300)}`],
  ])("rejects deeply nested %s before the schema", async (_what, payload) => {
    const { body } = await send(ENDPOINTS.chassisGet.subject, payload);
    expect(body.error).toMatchObject({ code: "BAD_REQUEST" });
    expect(JSON.stringify(body.error)).toContain("deeper than 64");
  });

  it("rejects long headers, and names each", async () => {
    const long = "x".repeat(1_000_000);
    const { body } = await send(ENDPOINTS.chassisList.subject, "{}", {
      "Bioxen-Correlation-Id": long,
      "Nats-Msg-Id": "y".repeat(256),
    });
    expect(body.error?.code).toBe("BAD_REQUEST");
    const paths = ["Nats-Msg-Id", "Bioxen-Correlation-Id", "headers"].map((path) =>
      expect.objectContaining({ path }),
    );
    expect(body.error?.details).toMatchObject({ problems: expect.arrayContaining(paths) });
  });

  it("rejects a message id with a line feed, which the client library would not send", async () => {
    const header = "NATS/1.0\r\nNats-Msg-Id: a\nb\r\n\r\n";
    const { subject } = ENDPOINTS.chassisList;
    const replies = client.subscribe("_INBOX.raw", { max: 1 });
    await client.flush();
    await sendRaw(
      server.url,
      `HPUB ${subject} _INBOX.raw ${header.length} ${header.length}\r\n${header}\r\n`,
    );
    for await (const reply of replies) {
      expect(reply.json()).toMatchObject({
        error: { code: "BAD_REQUEST", details: { problems: [{ path: "Nats-Msg-Id" }] } },
      });
    }
  });

  it.each([
    "bioxen.evt.vm.a",
    "bioxen.job.vm.create",
    "$KV.bioxen-first-outcomes.evil",
    "$JS.API.STREAM.PURGE.KV_bioxen-first-outcomes",
    "orders.new",
  ])("drops and counts a request that wants its answer on %s", async (reply) => {
    const heard: string[] = [];
    const listening = client.subscribe(reply, {
      callback: (_error, message) => {
        heard.push(message.subject);
      },
    });
    await client.flush();
    const before = foreign.length;
    const { subject } = ENDPOINTS.chassisUncordon;
    const carriedOut = refusals;
    client.publish(subject, JSON.stringify(VM), { reply });
    client.publish("$SRV.PING", "", { reply });
    await eventually("both are dropped", () => foreign.length === before + 2 || undefined);
    // An answer of this request can only come after answers of the earlier ones.
    await send(ENDPOINTS.chassisList.subject, "{}");
    listening.unsubscribe();
    expect(heard).toEqual([]);
    expect(refusals).toBe(carriedOut);
    expect(foreign.slice(before).sort()).toEqual([`$SRV.PING ${reply}`, `${subject} ${reply}`]);
  });

  it("answers on an inbox of another form when no stream stores it", async () => {
    const replies = client.subscribe("alice.inbox.*", { max: 2 });
    for (const n of [1, 2]) {
      client.publish(ENDPOINTS.chassisList.subject, "{}", { reply: `alice.inbox.${n}` });
    }
    const heard: string[] = [];
    for await (const reply of replies) heard.push(reply.subject);
    expect(heard.sort()).toEqual(["alice.inbox.1", "alice.inbox.2"]);
  });

  it("answers UNAVAILABLE with the reason while the service cannot serve", async () => {
    unavailable = "event 7 cannot be read";
    expect((await send(ENDPOINTS.chassisList.subject, "{}")).body.error).toMatchObject({
      code: "UNAVAILABLE",
      message: "event 7 cannot be read",
      retryable: true,
    });
    unavailable = undefined;
  });

  it("is discovered by the services protocol, with its schemas", async () => {
    expect(await discoverServices(bus, 300)).toEqual([
      {
        name: "tested",
        id: expect.any(String),
        version: "1.2.3",
        url: null,
        process: { host: hostname(), pid: process.pid },
        agentId: null,
        waiting: null,
      },
    ]);
    const info = (await client.request("$SRV.INFO.tested", "", { timeout: 2_000 })).json<{
      endpoints: { subject: string; metadata: { request: string } }[];
    }>();
    expect(info.endpoints).toHaveLength(endpoints.length);
    expect(JSON.parse(info.endpoints[1]?.metadata.request ?? "")).toMatchObject({ required: ["vmId"] });
  });

  it("answers the requests in flight before it stops", async () => {
    const late = send(ENDPOINTS.chassisCordon.subject, JSON.stringify(VM));
    await eventually("the request is in flight", () => release);
    const stopped = inbox.stop();
    release?.();
    expect((await late).body.error).toMatchObject({ code: "CHASSIS_NOT_FOUND" });
    await stopped;
    await expect(send(ENDPOINTS.chassisList.subject, "{}")).rejects.toThrow();
  });
});
