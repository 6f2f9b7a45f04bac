/**
 * Replies on a server with a small `max_payload`: what it would not carry is TOO_LARGE, never INTERNAL.
 */
import { randomUUID } from "node:crypto";
import { contentLimitOf, ENDPOINTS, refuse, type ServedEndpoint, serve } from "@bioxen/contracts";
import { type Bus, connectBus, openInbox, openOutcomes } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestServer } from "../src/index.ts";

const MAX_PAYLOAD = 65_536;
let server: TestServer;
let bus: Bus;
let limit: number;
const given: number[] = [];
const faults: unknown[] = [];
let removals = 0;

/** The report as one finding that makes a reply of `bytes` bytes. */
function findingOf(bytes: number) {
  const result = (about: string) => ({
    findings: [{ severity: "info" as const, about, message: "", remedy: "" }],
    cursor: null,
  });
  const bare = Buffer.byteLength(JSON.stringify({ ok: true, ...result("") }));
  return { ok: true as const, result: result("x".repeat(bytes - bare)) };
}

const endpoints: ServedEndpoint[] = [
  serve(ENDPOINTS.monitorReport, (request, _causation, maxBytes) => {
    given.push(maxBytes);
    return findingOf(maxBytes + (request.limit === 2 ? 1 : 0));
  }),
  serve(ENDPOINTS.quotaSet, ({ label, resources }) => ({
    ok: true,
    result: {
      changed: true,
      quota: {
        label: `${label}${"x".repeat(100_000)}`,
        resources,
        held: {},
        free: {},
        enforced: true,
        version: 1,
        holders: [],
      },
      cursor: null,
    },
  })),
  serve(ENDPOINTS.chassisRemove, () => {
    removals += 1;
    return refuse("CONFLICT", "it holds VMs", { details: { vmIds: "x".repeat(100_000) } });
  }),
];

/** The description of many endpoints is larger than a message, too. */
const others = Object.values(ENDPOINTS)
  .filter(({ subject }) => endpoints.every((one) => one.endpoint.subject !== subject))
  .map((endpoint) => serve(endpoint, () => ({ ok: true, result: {} as never })));

beforeAll(async () => {
  server = await TestServer.start(`max_payload: ${MAX_PAYLOAD}`);
  bus = await connectBus({ servers: server.url, name: "sizes" });
  limit = contentLimitOf(MAX_PAYLOAD);
  await openInbox({
    bus,
    name: "sizes",
    version: "1.2.3",
    description: "an inbox under test",
    endpoints: [...endpoints, ...others],
    outcomes: await openOutcomes(bus),
    newId: randomUUID,
    unavailable: () => undefined,
    onFault: (_subject, thrown) => faults.push(thrown),
  });
});
afterAll(async () => {
  await bus.close();
  await server.stop();
});

const call = (subject: string, request: object, messageId?: string) =>
  bus.call(subject, request, { timeoutMs: 5_000, ...(messageId === undefined ? {} : { messageId }) });

describe("on a server with 64 KB messages", () => {
  it("a handler knows the largest reply, which arrives, and one byte more is TOO_LARGE", async () => {
    const { subject } = ENDPOINTS.monitorReport;
    expect(await call(subject, { limit: 1 })).toMatchObject({ ok: true });
    expect(await call(subject, { limit: 2 })).toMatchObject({
      ok: false,
      error: { code: "TOO_LARGE", retryable: false, details: { limit, bytes: limit + 1 } },
    });
    expect(given).toEqual([limit, limit]);
  });

  it("the first outcome of a command is TOO_LARGE as well, and stays so", async () => {
    const replies = [];
    for (let i = 0; i < 2; i += 1) {
      replies.push(await call(ENDPOINTS.quotaSet.subject, { label: "team", resources: {} }, "large"));
    }
    expect(replies[0]).toMatchObject({ error: { code: "TOO_LARGE", details: { limit } } });
    expect(replies[1]).toEqual(replies[0]);
  });

  it("a refusal whose details are too large keeps its code, and says the size", async () => {
    for (let i = 0; i < 2; i += 1) {
      expect(await call(ENDPOINTS.chassisRemove.subject, { chassisId: "c1" }, "refused")).toEqual({
        ok: false,
        error: {
          code: "CONFLICT",
          message: "it holds VMs",
          retryable: false,
          details: { limit, bytes: expect.any(Number) },
        },
      });
    }
    expect(removals).toBe(1);
  });

  it("the answer to $SRV.INFO arrives, without the schemas that do not fit", async () => {
    const info = (await bus.connection.request("$SRV.INFO.sizes", "", { timeout: 2_000 })).json<{
      endpoints: { metadata: Record<string, string> }[];
    }>();
    expect(info.endpoints).toHaveLength(Object.keys(ENDPOINTS).length);
    expect(info.endpoints[0]?.metadata).toEqual({ summary: expect.any(String), internal: "false" });
    expect(faults).toEqual([]);
  });
});
