import { type EventFilter, isSelected } from "@bioxen/contracts";
import type { EventEnvelope, LogMessage } from "@bioxen/kernel";
import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { firstSince, sinceOption, typeOption } from "./event-filter.ts";

const ALL: EventFilter = { checkpoints: true };
const event = (type: string, subject: string, time = "2026-11-25T10:00:00.000Z") =>
  ({ type, subject, time }) as EventEnvelope;
const PLACED = event("bioxen.vm.placed.v1", "vm/c1");

describe("the selection of events", () => {
  it.each<[string, EventEnvelope, Partial<EventFilter>, boolean]>([
    ["takes every event without a filter", PLACED, {}, true],
    ["takes the events of a VM", PLACED, { vm: ["c0", "c1"] }, true],
    ["leaves out other VMs", PLACED, { vm: ["c"] }, false],
    [
      "leaves out a chassis of the same name",
      event("bioxen.chassis.lost.v1", "chassis/c1"),
      { vm: ["c1"] },
      false,
    ],
    ["takes a type by its whole name", PLACED, { type: ["bioxen.vm.placed.v1"] }, true],
    ["takes a type without prefix and version", PLACED, { type: ["vm.placed"] }, true],
    ["takes a type by its last word", PLACED, { type: ["stopped", "placed"] }, true],
    ["takes all types of an aggregate", PLACED, { type: ["vm"] }, true],
    ["leaves out other types", PLACED, { type: ["chassis", "vm.stopped"] }, false],
    ["leaves out checkpoints", event("bioxen.vm.checkpointed.v1", "vm/c1"), { checkpoints: false }, false],
    [
      "takes snapshots without checkpoints",
      event("bioxen.vm.snapshotted.v1", "vm/c1"),
      { checkpoints: false },
      true,
    ],
    ["takes the events of a principal", { ...PLACED, principal: "alice" }, { principal: "alice" }, true],
    ["leaves out other principals", { ...PLACED, principal: "bob" }, { principal: "alice" }, false],
    [
      "leaves out what a service did on behalf of the principal",
      { ...PLACED, principal: "service:lifecycle", onbehalfof: "alice" },
      { principal: "alice" },
      false,
    ],
    ["leaves out events of older releases", PLACED, { principal: "anonymous" }, false],
    ["takes an event at the time", PLACED, { since: Date.parse("2026-11-25T10:00:00Z") }, true],
    ["leaves out earlier events", PLACED, { since: Date.parse("2026-11-25T10:00:01Z") }, false],
    ["needs every filter to hold", PLACED, { vm: ["c1"], type: ["chassis"] }, false],
  ])("%s", (_what, envelope, filter, expected) => {
    expect(isSelected(envelope, { ...ALL, ...filter })).toBe(expected);
  });
});

describe("the options", () => {
  it("types are names of the catalogue, several by commas or repetition", () => {
    expect(typeOption("vm.placed, ledger", ["stopped"])).toEqual(["stopped", "vm.placed", "ledger"]);
    expect(typeOption("bioxen.vm.divided.v7"), "a type of a newer release").toEqual(["bioxen.vm.divided.v7"]);
    expect(() => typeOption("vm.place")).toThrow(/did you mean vm.placed/);
  });

  it("times are ages or instants", () => {
    const ages = ["30s", "2m", "1h", "1d"].map((age) => Math.round((Date.now() - sinceOption(age)) / 10_000));
    expect(ages).toEqual([3, 12, 360, 8_640]);
    expect(sinceOption("2026-11-25T10:00:00Z")).toBe(Date.UTC(2026, 10, 25, 10));
    expect(sinceOption("2026-11-25")).toBe(Date.UTC(2026, 10, 25));
    for (const text of ["", "5", "yesterday", "2026-13-45T10:00:00Z", "-5m"])
      expect(() => sinceOption(text)).toThrow(InvalidArgumentError);
  });
});

describe("the first event since a time", () => {
  const MINUTE_MS = 60_000;
  /** A log with one event every ten minutes; message 3 is missing, message 5 cannot be read. */
  const looks: number[] = [];
  const log = {
    messageAt: async (seq: number): Promise<LogMessage | undefined> => {
      looks.push(seq);
      if (seq === 3 || seq > 1_000) return undefined;
      if (seq === 5) return { seq, streamSubject: "x", why: "it is not JSON" } as unknown as LogMessage;
      const time = new Date(seq * 10 * MINUTE_MS).toISOString();
      return { seq, streamSubject: "x", envelope: { ...PLACED, time } } as unknown as LogMessage;
    },
  };

  it("is found for every time by a few looks, also beside missing and unreadable messages", async () => {
    for (let seq = 1; seq <= 1_000; seq += 1) {
      looks.length = 0;
      const first = await firstSince(log, seq * 10 * MINUTE_MS, 1_000);
      // At most one minute earlier, so never an event too many here, and never one too few.
      expect(seq === 3 || seq === 5 ? [seq, seq + 1, seq - 1] : [seq, seq - 1]).toContain(first);
      expect(looks.length).toBeLessThan(15);
    }
    expect(await firstSince(log, 0, 1_000)).toBe(1);
    expect(await firstSince(log, Number.MAX_SAFE_INTEGER, 1_000)).toBe(1_001);
    expect(await firstSince(log, 0, 0)).toBe(1);
  });
});
