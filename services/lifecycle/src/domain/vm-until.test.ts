/** What follows when the cell of a VM reaches the last minute that its creation names. */
import { type Until, type VmEvent, viewOfVm, vmFold } from "@bioxen/contracts";
import { createdVm, given, stateAfter, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { forkOf } from "./new-vm.ts";
import { checkpointRecord, FENCE, PAUSED, PLACED, REQUEST, START, STARTED, STOPPED } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import { restartDueAtMs } from "./vm-world.ts";

const created = (until: Until) =>
  createdVm({
    request: REQUEST,
    restartPolicy: { mode: "always", maxAttempts: 5, backoffMs: 1 },
    until,
  });
const running = (then: Until["then"]) => [created({ simMinutes: 60, then }), START, PLACED, STARTED];
const reached = (then: Until["then"]) => vmEvent("until-reached", { fence: FENCE, simMinute: 60, then });
const SNAPSHOT = { snapshotId: "s", ...checkpointRecord(40) };
const RESTORED = vmEvent("restored", SNAPSHOT);
const SNAPSHOTTED = vmEvent("snapshotted", { fence: FENCE, ...SNAPSHOT });

const report = (events: readonly VmEvent[], more: object = {}) =>
  given(vmDecider, ...events).when({
    type: "report",
    report: {
      fence: FENCE,
      observed: "until-reached",
      reason: "",
      code: "INTERNAL",
      simMinute: 60,
      restores: 0,
      ...more,
    },
    entry: undefined,
    targetEntry: undefined,
    nowMs: 0,
  });
const stateOf = (events: readonly VmEvent[]) => {
  const state = stateAfter(vmFold, events);
  if (!state.exists) throw new Error("the VM does not exist");
  return state;
};
const untilOf = (events: readonly VmEvent[]) => viewOfVm("a", stateOf(events)).until?.reached;

describe("at its last minute", () => {
  it("the VM is paused, or stops, and is not restarted", () => {
    report(running("pause")).thenAppended(reached("pause"));
    report(running("stop")).thenAppended(reached("stop"));
    const paused = stateOf([...running("pause"), reached("pause")]);
    expect(paused).toMatchObject({ state: "paused", fence: FENCE, reason: expect.stringContaining("60") });
    const stopping = [...running("stop"), reached("stop")];
    expect(stateOf(stopping)).toMatchObject({ state: "stopping", fence: FENCE });
    const failed = vmEvent("failed", { reason: "x", code: "GUEST_ERROR" });
    expect(restartDueAtMs(stateOf([...running("pause"), failed]))).toBeDefined();
    expect(restartDueAtMs(stateOf([...running("pause"), reached("pause"), failed]))).toBeUndefined();
    expect(untilOf([...stopping, STOPPED])).toBe(true);
  });

  it("a VM that its user has paused meanwhile has reached it as well", () => {
    report([...running("pause"), PAUSED]).thenAppended(reached("pause"));
  });

  it("a report of another minute, of another cell, or of a minute that counts already changes nothing", () => {
    report(running("pause"), { simMinute: 59 }).thenUnchanged();
    report(running("pause"), { fence: FENCE - 1 }).thenUnchanged();
    report([...running("pause"), SNAPSHOTTED, RESTORED]).thenUnchanged();
    report([...running("pause"), SNAPSHOTTED, RESTORED], { restores: 1 }).thenAppended(reached("pause"));
    report([...running("pause"), reached("pause"), vmEvent("resumed")]).thenUnchanged();
    report([...running("stop"), reached("stop")]).thenUnchanged();
    report([createdVm({ request: REQUEST }), START, PLACED, STARTED]).thenUnchanged();
  });
});

it("the minute is ahead again after a start, and after a restore to an earlier minute", () => {
  const paused = [...running("pause"), SNAPSHOTTED, reached("pause")];
  expect(untilOf(running("pause"))).toBe(false);
  expect(untilOf(paused)).toBe(true);
  expect(untilOf([...paused, vmEvent("resumed")])).toBe(true);
  expect(untilOf([...paused, RESTORED])).toBe(false);
  const later = vmEvent("restored", { snapshotId: "t", ...checkpointRecord(60) });
  expect(untilOf([...running("pause"), later])).toBe(true);
  expect(untilOf([...running("stop"), reached("stop"), STOPPED, START])).toBe(false);
});

it("a fork from before the minute has it as well, one from this minute on has none", () => {
  const parent = stateOf(running("pause"));
  const until = (minute: number) =>
    forkOf("a", parent, { seed: 2, checkpoint: checkpointRecord(minute) }).until;
  expect(until(59)).toEqual({ simMinutes: 60, then: "pause" });
  expect(until(60)).toBeUndefined();
});
