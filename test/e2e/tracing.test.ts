/**
 * One trace of `vm start`: from the traceparent of the client through lifecycle, scheduler, allocator and agent to a
 * collector.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";

interface Span {
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  readonly service: string;
}

let world: World;
let collector: Server;
const spans: Span[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      for (const { resource, scopeSpans } of body.resourceSpans) {
        const service = resource.attributes.find((one: Json) => one.key === "service.name")?.value
          .stringValue;
        for (const span of scopeSpans.flatMap((scope: Json) => scope.spans)) {
          if (span.traceId !== TRACE) continue;
          spans.push({ id: span.spanId, parent: span.parentSpanId ?? "", name: span.name, service });
        }
      }
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] =
    `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  // Spans are exported every 500 ms instead of every 5 s.
  process.env["OTEL_BSP_SCHEDULE_DELAY"] = "500";
  world = await World.open({ chassis: "ecoli:1", logLevel: "info" });
});
afterAll(async () => {
  delete process.env["OTEL_EXPORTER_OTLP_ENDPOINT"];
  delete process.env["OTEL_BSP_SCHEDULE_DELAY"];
  await world.close();
  collector.closeAllConnections();
  await new Promise((resolve) => collector.close(resolve));
});

async function bodyOf(request: IncomingMessage): Promise<Json> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

/** The chain of spans from this one up to the client, nearest first. */
function lineage(span: Span): string[] {
  const parent = spans.find((one) => one.id === span.parent);
  if (parent !== undefined) return [`${span.service}: ${span.name}`, ...lineage(parent)];
  return [
    `${span.service}: ${span.name}`,
    span.parent === CLIENT_SPAN ? "client" : `unknown parent ${span.parent}`,
  ];
}

it("a start is one trace: every service adds its spans, each with the right parent", async () => {
  await world.done("cmd.vm.create", { vmId: "traced", biologicalType: "syn3a" });
  const headers = world.headersOf({ traceparent: `00-${TRACE}-${CLIENT_SPAN}-01` });
  const started = await world.nats.request("bioxen.cmd.vm.start", JSON.stringify({ vmId: "traced" }), {
    timeout: 10_000,
    headers,
  });
  expect(started.json<Json>().ok).toBe(true);
  await world.reach("traced", "running");
  const wanted = [
    ["lifecycle: bioxen.cmd.vm.start", "client"],
    ["lifecycle: append bioxen.vm.start-requested.v1", "lifecycle: bioxen.cmd.vm.start", "client"],
    ["chassis-scheduler: call bioxen.cmd.ledger.reserve", "lifecycle: bioxen.cmd.vm.start", "client"],
    [
      "allocator: append bioxen.ledger.reserved.v1",
      "allocator: bioxen.cmd.ledger.reserve",
      "chassis-scheduler: call bioxen.cmd.ledger.reserve",
      "lifecycle: bioxen.cmd.vm.start",
      "client",
    ],
    ["lifecycle: append bioxen.vm.placed.v1", "lifecycle: bioxen.cmd.vm.start", "client"],
    ["chassis-agent: start guest", "lifecycle: bioxen.cmd.vm.start", "client"],
    [
      "lifecycle: append bioxen.vm.started.v1",
      "lifecycle: bioxen.cmd.vm.report",
      "chassis-agent: call bioxen.cmd.vm.report",
      "lifecycle: bioxen.cmd.vm.start",
      "client",
    ],
    [
      "allocator: append bioxen.ledger.committed.v1",
      "allocator: bioxen.cmd.ledger.reserve",
      "chassis-scheduler: call bioxen.cmd.ledger.reserve",
      "lifecycle: bioxen.cmd.vm.start",
      "client",
    ],
  ];
  const lines = () => new Set(spans.map((span) => lineage(span).join(" < ")));
  await eventually("all expected spans have arrived", async () =>
    wanted.every((line) => lines().has(line.join(" < "))) ? true : undefined,
  ).catch(() => undefined);
  expect([...lines()].sort()).toEqual(expect.arrayContaining(wanted.map((line) => line.join(" < "))));
  expect([...lines()].filter((line) => !line.endsWith(" < client"))).toEqual([]);
});
