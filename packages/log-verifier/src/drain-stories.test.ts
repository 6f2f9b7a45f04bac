/**
 * Drains, judged from the log alone: each breach fires on a story that has it, and a sound story has none.
 */
import type { DrainEvent } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { DrainStories } from "./drain-stories.ts";

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

/** Where VM `stays` lives on the chassis. What is wrong with the last event; nothing may be wrong before. */
function judge(...events: readonly DrainEvent[]): string {
  const stories = new DrainStories();
  let last: string[] = [];
  for (const event of events) {
    expect(last).toEqual([]);
    last = stories.observe("c", event, (vmId) => vmId === "stays");
  }
  return last.join("; ");
}

it.each([
  [[started(), progressed(["a"], "late"), progressed(["b", "late"]), completed, started(), completed]],
  [[started(), progressed(["a"]), givenUp]],
  [[started(true), cancelled(false, "b")]],
  [[started(), cancelled(true)]],
])("a sound story has nothing wrong: %#", ([...events]) => {
  expect(judge(...events.slice(0, -1)), "all but the last").toBe("");
});

it.each<[string, readonly DrainEvent[]]>([
  ["already", [started(), started()]],
  ["does not go on", [progressed(["a"])]],
  ["does not go on", [started(), givenUp, progressed(["a"])]],
  ["was never to leave", [started(), progressed(["z"])]],
  ["a second time", [started(), progressed(["a"]), cancelled(true, "a")]],
  ["lives there", [started(false, "stays"), progressed(["stays"])]],
  ["came a second time", [started(), progressed([], "a")]],
  ["nobody said that b left", [started(), progressed(["a"]), completed]],
  ["not its own", [started(true), cancelled(true)]],
  ["leaves its own", [started(), cancelled(false)]],
])("%s", (words, events) => {
  expect(judge(...events)).toContain(words);
});
