/**
 * The rules of drains: each violation is found in a log that has it, and a sound log has none.
 */
import type { DrainEvent } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { DrainRecords } from "./drain-records.ts";

const started = (wasCordoned = false, ...vmIds: string[]): DrainEvent => ({
  type: "bioxen.drain.started.v1",
  data: { vmIds: ["a", "b", ...vmIds], wasCordoned, parallelism: 1, deadlineAtMs: 1 },
});
const gone = (vmIds: readonly string[]) =>
  vmIds.map((vmId) => ({ vmId, toChassisId: "other", reason: null }));
const progressed = (left: readonly string[], ...joined: string[]): DrainEvent => ({
  type: "bioxen.drain.progressed.v1",
  data: { left: gone(left), joined },
});
const completed: DrainEvent = { type: "bioxen.drain.completed.v1", data: {} };
const givenUp: DrainEvent = {
  type: "bioxen.drain.given-up.v1",
  data: { remaining: [{ vmId: "a", reason: "x" }] },
};
const cancelled = (uncordons: boolean, ...left: string[]): DrainEvent => ({
  type: "bioxen.drain.cancelled.v1",
  data: { left: gone(left), uncordons },
});

/** The problems of the last event; the events before it must have none. VM `stays` is on the chassis all the time. */
function problemsOf(...events: readonly DrainEvent[]): string {
  const records = new DrainRecords();
  let last: string[] = [];
  for (const event of events) {
    expect(last).toEqual([]);
    last = records.observe("c", event, (vmId) => vmId === "stays");
  }
  return last.join("; ");
}

it.each([
  [[started(), progressed(["a"], "late"), progressed(["b", "late"]), completed, started(), completed]],
  [[started(), progressed(["a"]), givenUp]],
  [[started(true), cancelled(false, "b")]],
  [[started(), cancelled(true)]],
])("a sound drain has no violation: %#", ([...events]) => {
  expect(problemsOf(...events.slice(0, -1)), "all but the last").toBe("");
});

it.each<[string, readonly DrainEvent[]]>([
  ["already", [started(), started()]],
  ["without a drain under way", [progressed(["a"])]],
  ["without a drain under way", [started(), givenUp, progressed(["a"])]],
  ["the drain never named it", [started(), progressed(["z"])]],
  ["a second time", [started(), progressed(["a"]), cancelled(true, "a")]],
  ["is still there", [started(false, "stays"), progressed(["stays"])]],
  ["joined a second time", [started(), progressed([], "a")]],
  ["no event says that b left", [started(), progressed(["a"]), completed]],
  ["not its own", [started(true), cancelled(true)]],
  ["leaves its own", [started(), cancelled(false)]],
])("a violation is found: %s", (words, events) => {
  expect(problemsOf(...events)).toContain(words);
});
