/**
 * The inbox on a real server: every request gets exactly one answer.
 */
import { hostname } from "node:os";
import { ENDPOINTS, MAX_PAYLOAD_BYTES, refuse, type ServedEndpoint, serve } from "@bioxen/contracts";
import { type Causation, Fault } from "@bioxen/kernel";
import { type Bus, connectBus, discoverServices, type Inbox, openInbox, openOutcomes } from "@bioxen/nats";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, TestServer } from "../src/index.ts";

let server: TestServer;
let bus: Bus;
let inbox: Inbox;
let client: NatsConnection;
let unavailable: string | undefined;
let refusals = 0;
const causations: Causation[] = [];
const faults: string[] = [];
let release: (() => void) | undefined;

const VM = { chassisId: "c1" };
const endpoints: ServedEndpoint[] = [
  serve(ENDPOINTS.chassisList, () => ({ ok: true, result: { chassis: [] } })),
  serve(ENDPOINTS.vmGet, () => refuse("VM_NOT_FOUND", "there is\nno VM", { details: { a: 1 } })),
  serve(ENDPOINTS.vmHistory, (_request, causation) => {
    causations.push(causation);
    return { ok: true, result: { events: [] } };
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
    expect((await send(ENDPOINTS.chassisList.subject, "")).body).toEqual({ ok: true, chassis: [] });
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
    await send(subject, '{"vmId":"a"}', { "Nats-Msg-Id": "m1", traceparent: "00-t-s-01" });
    await send(subject, '{"vmId":"a"}', {
      "Bioxen-Correlation-Id": "chain",
      "Bioxen-Causation-Id": "event-7",
    });
    await send(subject, '{"vmId":"a"}');
    expect(causations).toEqual([
      {
        causeId: `${subject}:m1`,
        correlationId: `${subject}:m1`,
        deduplicate: true,
        traceparent: "00-t-s-01",
      },
      { causeId: "event-7", correlationId: "chain", deduplicate: false },
      {
        causeId: expect.stringMatching(/^made-/),
        correlationId: expect.stringMatching(/^made-/),
        deduplicate: false,
      },
    ]);
  });

  it("answers a message id with its first outcome, even for another payload or a changed state", async () => {
    const { subject } = ENDPOINTS.chassisUncordon;
    const twice = await Promise.all(
      [1, 2].map(() => send(subject, JSON.stringify(VM), { "Nats-Msg-Id": "once" })),
    );
    expect(twice.map(({ body }) => body.error)).toEqual([twice[0]?.body.error, twice[0]?.body.error]);
    expect((await send(subject, "{", { "Nats-Msg-Id": "once" })).body).toEqual(twice[0]?.body);
    const other = await send(subject, JSON.stringify(VM), { "Nats-Msg-Id": "other" });
    expect(other.body.error).not.toEqual(twice[0]?.body.error);
    expect((await send(subject, "{", { "Nats-Msg-Id": "bad" })).body.error?.code).toBe("BAD_REQUEST");
    expect((await send(subject, JSON.stringify(VM), { "Nats-Msg-Id": "bad" })).body.error?.code).toBe(
      "BAD_REQUEST",
    );
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
