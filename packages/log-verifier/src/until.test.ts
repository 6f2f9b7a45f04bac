/**
 * The rules of a cell's last minute.
 */
import { expect, it } from "vitest";
import { checkpointed, type Line, RUNNING, verify, vm } from "./testing.ts";

const untilReached = (simMinute: number, more: object = {}): Line =>
  vm("until-reached", { fence: 4, simMinute, then: "pause", ...more });
const ENDING: readonly Line[] = RUNNING.map((line) => {
  const [subject, type, data] = line;
  const until = { simMinutes: 5, then: "pause" };
  return type === "vm.created" ? [subject, type, { ...(data as object), until }] : line;
});

it("accepts a cell that reaches its last minute, and goes on when its user resumes it", () => {
  const paused = [...ENDING, checkpointed(5), untilReached(5)];
  expect(verify([...paused, vm("resumed"), checkpointed(6)])).toEqual([]);
  expect(verify([...paused, vm("stop-requested", { destroy: false })])).toEqual([]);
});

it.each<[string, readonly Line[]]>([
  ["guest-state", [...RUNNING, untilReached(5)]],
  ["guest-state", [...ENDING, untilReached(6)]],
  ["guest-state", [...ENDING, untilReached(5, { fence: 3 })]],
  ["guest-state", [...ENDING, untilReached(5, { then: "stop" })]],
  ["guest-state", [...ENDING, checkpointed(6), untilReached(5)]],
  ["transition", [...ENDING, untilReached(5), vm("started", { fence: 4 })]],
])("finds a violation of the rule %s", (rule, lines) => {
  expect(verify(lines)).toContain(rule);
});
