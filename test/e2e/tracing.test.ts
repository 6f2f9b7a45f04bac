/**
 * One trace of `vm start`: from the traceparent of the client through lifecycle, scheduler, allocator and agent to a
 * collector.
 */
import { SERVICES } from "@bioxen/local-stack";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CollectedSpan, Collector } from "./collector.ts";
import { eventually, World } from "./world.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const [SERVER, CLIENT, PRODUCER, INTERNAL] = [2, 3, 4, 1];
const UNSET = 0;
/** Spans are exported every 500 ms instead of every 5 s, and metrics every second instead of every minute. */
const VARIABLES = {
  OTEL_BSP_SCHEDULE_DELAY: "500",
  OTEL_METRIC_EXPORT_INTERVAL: "1000",
  OTEL_BLRP_SCHEDULE_DELAY: "500",
};

let world: World;
let collector: Collector;

beforeAll(async () => {
  collector = await Collector.http();
  Object.assign(process.env, VARIABLES, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  world = await World.open({ chassis: "ecoli:1", logLevel: "info" });
});
afterAll(async () => {
  for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", ...Object.keys(VARIABLES)]) delete process.env[name];
  await world.close();
  await collector.close();
});

const shown = ({ resource, name }: CollectedSpan) => `${resource["service.name"]}: ${name}`;
const inTrace = (traceId: string) => collector.spans.filter((span) => span.traceId === traceId);

/** The chain of spans from this one up to the client, nearest first. */
function lineage(span: CollectedSpan, clientSpan: string): string[] {
  const parent = inTrace(span.traceId).find((one) => one.id === span.parent);
  if (parent !== undefined) return [shown(span), ...lineage(parent, clientSpan)];
  return [shown(span), span.parent === clientSpan ? "client" : `unknown parent ${span.parent}`];
}

/** Every chain of spans of the start of a VM, nearest first, that one trace of it has. */
const WANTED = [
  ["lifecycle: process bioxen.cmd.vm.start", "client"],
  ["lifecycle: append bioxen.vm.start-requested.v1", "lifecycle: process bioxen.cmd.vm.start", "client"],
  [
    "chassis-scheduler: request bioxen.cmd.ledger.reserve",
    "lifecycle: process bioxen.cmd.vm.start",
    "client",
  ],
  [
    "allocator: append bioxen.ledger.reserved.v1",
    "allocator: process bioxen.cmd.ledger.reserve",
    "chassis-scheduler: request bioxen.cmd.ledger.reserve",
    "lifecycle: process bioxen.cmd.vm.start",
    "client",
  ],
  ["lifecycle: append bioxen.vm.placed.v1", "lifecycle: process bioxen.cmd.vm.start", "client"],
  ["chassis-agent: start guest", "lifecycle: process bioxen.cmd.vm.start", "client"],
  [
    "lifecycle: append bioxen.vm.started.v1",
    "lifecycle: process bioxen.cmd.vm.report",
    "chassis-agent: request bioxen.cmd.vm.report",
    "lifecycle: process bioxen.cmd.vm.start",
    "client",
  ],
  [
    "allocator: append bioxen.ledger.committed.v1",
    "allocator: process bioxen.cmd.ledger.reserve",
    "chassis-scheduler: request bioxen.cmd.ledger.reserve",
    "lifecycle: process bioxen.cmd.vm.start",
    "client",
  ],
].map((line) => line.join(" < "));

/** Waits for the whole trace of a start, and checks the parent of every span. */
async function completeTrace(traceId: string, clientSpan: string): Promise<readonly CollectedSpan[]> {
  const lines = () => new Set(inTrace(traceId).map((span) => lineage(span, clientSpan).join(" < ")));
  await eventually("all expected spans have arrived", async () => {
    const arrived = lines();
    return WANTED.every((line) => arrived.has(line)) ? true : undefined;
  }).catch(() => undefined);
  expect([...lines()].sort()).toEqual(expect.arrayContaining(WANTED));
  expect([...lines()].filter((line) => !line.endsWith(" < client"))).toEqual([]);
  return inTrace(traceId);
}

it("a start is one trace: every service adds its spans, each with the right parent and attributes", async () => {
  await world.done("cmd.vm.create", { vmId: "traced", biologicalType: "syn3a" });
  const headers = world.headersOf({
    traceparent: `00-${TRACE}-${CLIENT_SPAN}-01`,
    tracestate: "lab=3,vendor=x",
    "Nats-Msg-Id": "start-1",
  });
  const started = await world.nats.request("bioxen.cmd.vm.start", JSON.stringify({ vmId: "traced" }), {
    timeout: 10_000,
    headers,
  });
  expect(started.json()).toMatchObject({ ok: true });
  await world.reach("traced", "running");
  const spans = await completeTrace(TRACE, CLIENT_SPAN);
  for (const span of spans) {
    expect(span.traceState, shown(span)).toBe("lab=3,vendor=x");
    expect(span.scope, shown(span)).toMatchObject({ name: "bioxen", version: expect.any(String) });
    expect(span.status, shown(span)).toBe(UNSET);
    if (span.kind !== INTERNAL) expect(span.attributes["messaging.system"], shown(span)).toBe("nats");
  }
  const named = (text: string) => spans.find((span) => shown(span) === text);
  expect(named("lifecycle: process bioxen.cmd.vm.start")).toMatchObject({
    kind: SERVER,
    attributes: {
      "messaging.operation.type": "process",
      "messaging.operation.name": "process",
      "messaging.destination.name": "bioxen.cmd.vm.start",
      "messaging.message.id": "start-1",
      "bioxen.vm.id": "traced",
    },
  });
  expect(named("chassis-agent: request bioxen.cmd.vm.report")).toMatchObject({
    kind: CLIENT,
    attributes: {
      "messaging.operation.type": "send",
      "messaging.operation.name": "request",
      "messaging.destination.name": "bioxen.cmd.vm.report",
    },
  });
  expect(named("lifecycle: append bioxen.vm.started.v1")).toMatchObject({
    kind: PRODUCER,
    attributes: {
      "messaging.destination.name": "bioxen.evt.vm.traced",
      "messaging.destination.template": "bioxen.evt.vm.{id}",
      "messaging.message.id": expect.any(String),
      "cloudevents.event_type": "bioxen.vm.started.v1",
      "bioxen.vm.id": "traced",
      "bioxen.append.result": "appended",
    },
  });
  expect(named("chassis-agent: start guest")).toMatchObject({
    kind: INTERNAL,
    attributes: { "bioxen.vm.id": "traced" },
  });
  const { events } = await world.done("qry.vm.history", { vmId: "traced" });
  expect(events.at(-1)).toMatchObject({ tracestate: "lab=3,vendor=x" });
});

it("a start by the command is one trace that begins at the command", async () => {
  await world.done("cmd.vm.create", { vmId: "by-command", biologicalType: "syn3a" });
  const { code } = await world.bioxen("vm", "start", "by-command", "--json");
  expect(code).toBe(0);
  const first = await eventually("the span of the start has arrived", async () =>
    collector.spans.find(
      ({ name, attributes }) =>
        name === "process bioxen.cmd.vm.start" && attributes["bioxen.vm.id"] === "by-command",
    ),
  );
  expect(first.parent).toMatch(/^[0-9a-f]{16}$/);
  await completeTrace(first.traceId, first.parent);
});

it("the span of a refusal has its code and status UNSET", async () => {
  const span = (subject: string, code: string) =>
    eventually(`the span of ${code} has arrived`, async () =>
      collector.spans.find(
        ({ name, attributes }) => name === `process ${subject}` && attributes["error.type"] === code,
      ),
    );
  await world.ask("cmd.vm.create", { vmId: "traced", biologicalType: "syn3a" });
  expect(await span("bioxen.cmd.vm.create", "VM_ALREADY_EXISTS")).toMatchObject({
    status: UNSET,
    attributes: { "bioxen.vm.id": "traced", "bioxen.error.code": "VM_ALREADY_EXISTS" },
  });
  await world.ask("cmd.vm.create", { biologicalType: "unheard-of" });
  expect(await span("bioxen.cmd.vm.create", "BAD_REQUEST")).toMatchObject({ status: UNSET });
});

it("logs and metrics of every service arrive", async () => {
  const byName = (name: string) => collector.metrics.filter((metric) => metric.name === name);
  await eventually("the metrics of every service have arrived", async () =>
    new Set(byName("bioxen_ready").map(({ resource }) => resource["service.name"])).size === SERVICES.length
      ? true
      : undefined,
  );
  await eventually("the durations of requests have arrived", async () =>
    byName("messaging.process.duration").some(({ unit, points }) => unit === "s" && points.length > 0)
      ? true
      : undefined,
  );
  await eventually("the logs of every service have arrived", async () =>
    new Set(collector.logs.map(({ resource }) => resource["service.name"])).size === SERVICES.length
      ? true
      : undefined,
  );
});
