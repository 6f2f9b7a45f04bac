import { readFileSync } from "node:fs";
import { ALERT_EVENTS, CHASSIS_EVENTS, LEDGER_EVENTS, VM_EVENTS } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { principalsOf } from "./event-principals.ts";
import { causeOf, eventLine, whatHappened } from "./event-words.ts";

const eventOf = (type: string, data: object, more: object = {}) => ({
  type,
  data,
  source: "/bioxen/lifecycle",
  causationid: "01J0000000000000000000000",
  subject: `${type.split(".")[1]}/c1`,
  ...more,
});

describe("the principals of an event", () => {
  it.each([
    [{}, "", "[lifecycle]"],
    [{ principal: "anonymous" }, "", "[lifecycle]"],
    [{ principal: "alice" }, "alice", "[lifecycle, by alice]"],
    [
      { principal: "service:lifecycle", onbehalfof: "alice" },
      "service:lifecycle for alice",
      "[lifecycle, for alice]",
    ],
    [{ principal: "agent:local", onbehalfof: "anonymous" }, "agent:local", "[lifecycle, by agent:local]"],
    [
      { principal: "agent:local", onbehalfof: "alice" },
      "agent:local for alice",
      "[lifecycle, by agent:local, for alice]",
    ],
  ])("%j are %j, in one line %s", (principals, words, line) => {
    const event = { ...eventOf("bioxen.vm.paused.v1", {}, principals), time: "2026-11-25T10:00:00Z" };
    expect(principalsOf(event)).toBe(words);
    expect(eventLine(7, event)).toSatisfy((text: string) => text.endsWith(` vm/c1 paused ${line}`));
  });
});

describe("an event in words", () => {
  it("has text for every type, without raw data", () => {
    for (const type of Object.keys({ ...VM_EVENTS, ...LEDGER_EVENTS, ...CHASSIS_EVENTS, ...ALERT_EVENTS })) {
      const golden = new URL(`../../../contracts/golden/${type}.json`, import.meta.url);
      const words = whatHappened(JSON.parse(readFileSync(golden, "utf8")));
      expect(words, type).toMatch(/^[^{}]+$/);
      expect(words, type).not.toMatch(/undefined|\[object/);
    }
    expect(whatHappened(eventOf("bioxen.vm.cloned.v7", { n: 1 }))).toBe('cloned {"n":1}');
  });

  it("names its cause as an event of an aggregate, with its sequence", () => {
    const placed = eventOf("bioxen.vm.placed.v1", {});
    const reserved = { seq: 12, type: "bioxen.ledger.reserved.v1", subject: "ledger/ecoli-1" };
    expect(causeOf(placed, reserved)).toBe("because ledger ecoli-1 reserved it at #12");
    const own = { seq: 9, type: "bioxen.vm.displaced.v2", subject: "vm/c1" };
    expect(causeOf(placed, own)).toBe("because it was displaced at #9");
    const unknown = { seq: 9, type: "bioxen.quota.raised.v1", subject: "quota/gold" };
    expect(causeOf(placed, unknown)).toBe("because quota gold raised at #9");
  });

  it("names the command without a cause in the log, with its message id if it had one", () => {
    expect(causeOf(eventOf("bioxen.vm.start-requested.v1", {}), null)).toBe("by command vm.start");
    expect(causeOf(eventOf("bioxen.vm.stop-requested.v1", { destroy: true }), null)).toBe(
      "by command vm.destroy",
    );
    const message = { causationid: "bioxen.cmd.vm.create:order 7:1" };
    expect(causeOf(eventOf("bioxen.vm.created.v1", {}, message), null)).toBe(
      "by command vm.create, message order 7:1",
    );
    const own = { causationid: "alice/bioxen.cmd.vm.create:order 7:1", principal: "alice" };
    expect(causeOf(eventOf("bioxen.vm.created.v1", {}, own), null)).toBe(
      "by command vm.create, message order 7:1",
    );
    const odd = eventOf("bioxen.vm.displaced.v2", {}, { causationid: "x-1" });
    expect(causeOf(odd, null)).toBe("by x-1");
  });
});
