/**
 * Which changes of a guest's environment are recorded, and which of them a later guest may still have to get.
 */
import { MAX_COMING_CHANGES, type Vm, type VmEvent, vmFold } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import type { HeldMinute } from "./held-minute.ts";
import { checkpointed, checkpointRecord, FENCE, LOGS, PAUSED, STOP, STOPPED, VM_ID } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";

const ENVIRONMENT = { substrate: 3_000 };
const { running: RUNNING, starting: STARTING } = LOGS;
const changed = (simMinute: number) =>
  vmEvent("environment-changed", { fence: FENCE, simMinute, environment: ENVIRONMENT });

const change = (events: readonly VmEvent[], at: Partial<HeldMinute> = {}) =>
  given(vmDecider, ...events).when({
    type: "set-environment",
    vmId: VM_ID,
    environment: ENVIRONMENT,
    at: { fence: FENCE, restores: 0, simMinute: 7, ...at },
  });

describe("a change of the environment", () => {
  it("is recorded with its minute, for a running and for a paused guest, also at the minute of the checkpoint", () => {
    for (const events of [RUNNING, [...RUNNING, PAUSED], [...RUNNING, checkpointed(7)]]) {
      change(events).thenAppended(changed(7));
    }
  });

  it.each([
    ["of a VM without a guest", STARTING, {}, "INVALID_TRANSITION"],
    ["of a guest under another reservation", RUNNING, { fence: FENCE - 1 }, "CONFLICT"],
    ["of a guest from before a restore", RUNNING, { restores: 1 }, "CONFLICT"],
    ["of a minute before the checkpoint", [...RUNNING, checkpointed(8)], {}, "CONFLICT"],
    [
      "too many",
      [...RUNNING, ...Array.from({ length: MAX_COMING_CHANGES }, () => changed(7))],
      {},
      "TOO_LARGE",
    ],
  ] as const)("%s is refused", (_which, events, at, code) => {
    change(events, at).thenRejected(code);
  });
});

it("is UNSUPPORTED for a machine, whether it runs or not", () => {
  const created = LOGS.running[0] as Extract<VmEvent, { readonly type: "bioxen.vm.created.v1" }>;
  const machine: VmEvent = { ...created, data: { ...created.data, vmType: "xcpng" } };
  change([machine, ...LOGS.running.slice(1)]).thenRejected("UNSUPPORTED");
  change([machine]).thenRejected("UNSUPPORTED");
});

describe("the changes that a guest may still have to get", () => {
  const minutesAfter = (...events: readonly VmEvent[]) => {
    const fold = [...RUNNING, ...events].reduce(
      (state, event, i) =>
        vmFold.evolve(state, event, { seq: 10 * (i + 1), atMs: i, version: i + 1, subject: "vm/a" } as never),
      vmFold.initial,
    ) as Vm;
    return fold.changes?.map(({ simMinute }) => simMinute);
  };

  it("are those since the checkpoint, and none after a stop or a restore", () => {
    const three = [changed(5), changed(9), changed(7)];
    expect(minutesAfter()).toBeUndefined();
    expect(minutesAfter(...three)).toEqual([5, 9, 7]);
    expect(minutesAfter(...three, checkpointed(7))).toEqual([9, 7]);
    expect(minutesAfter(...three, checkpointed(10))).toBeUndefined();
    expect(minutesAfter(...three, STOP, STOPPED)).toBeUndefined();
    const restored = vmEvent("restored", { snapshotId: "s", ...checkpointRecord(3) });
    expect(minutesAfter(...three, restored)).toBeUndefined();
    expect(minutesAfter(...three, restored, changed(4))).toEqual([4]);
  });
});
