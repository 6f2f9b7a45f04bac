/**
 * The STATS of the services protocol on a real server: every answered error counts, and the time of a request ends with
 * its reply.
 */
import { ENDPOINTS, refuse, type ServedEndpoint, serve } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { type Bus, connectBus, type Inbox, openInbox, openOutcomes } from "@bioxen/nats";
import type { NamedEndpointStats, ServiceStats } from "@nats-io/services";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, TestServer } from "../src/index.ts";

const CHASSIS = JSON.stringify({ chassisId: "c1" });
const NANOSECONDS_PER_MS = 1_000_000;

let server: TestServer;
let bus: Bus;
let inbox: Inbox;
let client: NatsConnection;
let release: (() => void) | undefined;
/** What happens around the answers of the endpoint that throws, in order. */
const around: string[] = [];

const endpoints: ServedEndpoint[] = [
  serve(ENDPOINTS.chassisList, () => ({ ok: true, result: { chassis: [], cursor: null } })),
  serve(ENDPOINTS.vmGet, () => refuse("VM_NOT_FOUND", "there is\nno VM")),
  serve(ENDPOINTS.ledgerGet, () => {
    throw new Fault("TIMEOUT", "the log is slow", { retryable: true });
  }),
  {
    ...serve(ENDPOINTS.chassisGet, () => {
      throw new TypeError("a bug");
    }),
    async observe(payload, causation, work) {
      around.push(`begin ${JSON.stringify(payload)}`);
      return work(causation).finally(() => around.push("end"));
    },
  },
  serve(ENDPOINTS.chassisCordon, async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    return refuse("CHASSIS_NOT_FOUND", "late, but answered");
  }),
];

beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "statistics" });
  client = await connect({ servers: server.url });
  inbox = await openInbox({
    bus,
    name: "counted",
    version: "1.2.3",
    description: "an inbox with statistics",
    endpoints,
    outcomes: await openOutcomes(bus),
    newId: () => crypto.randomUUID(),
    unavailable: () => undefined,
    onFault: (_subject, thrown) => around.push(`fault ${(thrown as Error).message}`),
  });
});
afterAll(async () => {
  await inbox.stop();
  await client.close();
  await bus.close();
  await server.stop();
});

const send = (subject: string, payload: string) => client.request(subject, payload, { timeout: 5_000 });

/** The statistics of one endpoint, from the answer to STATS. */
async function statsOf(subject: string): Promise<NamedEndpointStats> {
  const answer = await client.request("$SRV.STATS.counted", "", { timeout: 2_000 });
  const found = answer.json<ServiceStats>().endpoints?.find((endpoint) => endpoint.subject === subject);
  if (found === undefined) throw new Error(`no statistics of ${subject}`);
  return found;
}

describe("the STATS of an inbox", () => {
  it.each([
    [ENDPOINTS.vmGet.subject, '{"vmId":"a"}', "VM_NOT_FOUND: there is no VM"],
    [ENDPOINTS.vmGet.subject, "{", "BAD_REQUEST: the payload is not JSON"],
    [ENDPOINTS.ledgerGet.subject, CHASSIS, "UNAVAILABLE: the log is slow"],
    [ENDPOINTS.chassisGet.subject, CHASSIS, "INTERNAL: unexpected error"],
  ])("count the error of %s to %s as %s", async (subject, payload, text) => {
    const before = await statsOf(subject);
    await send(subject, payload);
    const { num_requests, num_errors, last_error } = await statsOf(subject);
    expect([num_requests, num_errors]).toEqual([before.num_requests + 1, before.num_errors + 1]);
    expect(last_error?.slice(0, text.length)).toBe(text);
  });

  it("count a success as no error", async () => {
    const { subject } = ENDPOINTS.chassisList;
    const before = await statsOf(subject);
    await send(subject, "");
    const { num_requests, num_errors, last_error } = await statsOf(subject);
    expect([num_requests, num_errors, last_error]).toEqual([before.num_requests + 1, 0, undefined]);
  });

  it("are apart from an observer, which runs around malformed requests too and around the report of a fault", async () => {
    const { subject } = ENDPOINTS.chassisGet;
    around.length = 0;
    await send(subject, CHASSIS);
    await send(subject, '{"chassisId":7}');
    await send(subject, "{");
    expect(around).toEqual([
      `begin ${CHASSIS}`,
      "fault a bug",
      "end",
      'begin {"chassisId":7}',
      "end",
      "begin undefined",
      "end",
    ]);
  });

  it("measure the time until the handler's promise is settled, in nanoseconds", async () => {
    const { subject } = ENDPOINTS.chassisCordon;
    const late = send(subject, CHASSIS);
    await eventually("the request is in flight", () => release);
    const sinceMs = performance.now();
    // Later requests are answered while the handler of this one waits.
    for (let i = 0; i < 20; i += 1) await send(ENDPOINTS.chassisList.subject, "");
    const waitedMs = performance.now() - sinceMs;
    expect((await statsOf(subject)).num_requests).toBe(0);
    release?.();
    await late;
    const { num_requests, processing_time, average_processing_time } = await statsOf(subject);
    expect(num_requests).toBe(1);
    expect(processing_time).toBeGreaterThanOrEqual(Math.floor(waitedMs * NANOSECONDS_PER_MS));
    expect(average_processing_time).toBe(processing_time);
    expect(Number.isInteger(processing_time)).toBe(true);
  });
});
