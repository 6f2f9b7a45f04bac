/**
 * The typed view of a stored event: the aggregate that its subject names, and the event narrowed by kind or type.
 */
import type { EventEnvelope } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { aggregateOf, domainEventOf } from "./stored.ts";

const envelope: EventEnvelope = {
  specversion: "1.0",
  id: "e1",
  source: "/bioxen/test",
  type: "bioxen.vm.started.v1",
  subject: "vm/cell-1",
  time: "2026-01-01T00:00:00.000Z",
  datacontenttype: "application/json",
  data: { fence: 7 },
  aggregateversion: 3,
  correlationid: "x",
  causationid: "y",
};

it("a subject names the kind and the id of one aggregate", () => {
  expect(aggregateOf("ledger/yeast-1")).toEqual({ kind: "ledger", id: "yeast-1" });
});

it("an event carries its aggregate, and its type narrows its data", () => {
  const event = domainEventOf(envelope);
  expect(event).toEqual({ kind: "vm", id: "cell-1", type: envelope.type, data: envelope.data });
  expect(event.type === "bioxen.vm.started.v1" && event.data.fence).toBe(7);
});
