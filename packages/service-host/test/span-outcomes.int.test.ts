/**
 * Attributes and status of the span of a request, by its outcome.
 */
import { done, type HandlerResult, refuse } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { Collector } from "../../../test/e2e/collector.ts";
import { answeredRequests, LIST } from "./answered-requests.ts";

const [UNSET, ERROR] = [0, 2];

let collector: Collector;

beforeAll(async () => {
  collector = await Collector.http();
});
afterEach(() => {
  collector.clear();
  vi.unstubAllEnvs();
});
afterAll(() => collector.close());

const throwing = (thrown: unknown) => (): HandlerResult => {
  throw thrown;
};

it.each([
  ["a result", () => done({}), UNSET, undefined],
  ["a refusal", () => refuse("VM_ALREADY_EXISTS", "there is one"), UNSET, "VM_ALREADY_EXISTS"],
  ["a malformed request", () => refuse("BAD_REQUEST", "no"), UNSET, "BAD_REQUEST"],
  ["a fault as a value", () => refuse("UNAVAILABLE", "full", { retryable: true }), ERROR, "UNAVAILABLE"],
  ["a thrown fault", throwing(new Fault("TIMEOUT", "slow", { retryable: true })), ERROR, "UNAVAILABLE"],
  ["a bug", throwing(new TypeError("a bug")), ERROR, "INTERNAL"],
])("%s: the status and the code of its span", async (_what, answer, status, code) => {
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const { spans } = await answeredRequests(collector, variables, { answer, payload: { vmId: "cell-1" } });
  expect(spans[0]?.status).toBe(status);
  expect(spans[0]?.attributes).toMatchObject({
    "messaging.system": "nats",
    "messaging.operation.type": "process",
    "messaging.operation.name": "process",
    "messaging.destination.name": LIST,
    "messaging.message.id": "message-1",
    "messaging.message.conversation_id": "chain",
    "bioxen.vm.id": "cell-1",
  });
  expect([spans[0]?.attributes["error.type"], spans[0]?.attributes["bioxen.error.code"]]).toEqual([
    code,
    code,
  ]);
});

it("a payload with an invalid id adds no attribute", async () => {
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const { spans } = await answeredRequests(collector, variables, { payload: { vmId: "x".repeat(5_000) } });
  expect(spans[0]?.attributes).not.toHaveProperty("bioxen.vm.id");
});
