/**
 * Resizes at minutes of simulated time: which are recorded, what the VM holds and what its cell has.
 */
import { amountsAt, largestFrom, releasableTo, type Vm, type VmEvent, vmFold } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { checkpointed, FENCE, LOGS, REQUEST, STOP, STOPPED, VM_ID } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";

const ribosomes = (n: number) => ({ ribosomes: n });
const resized = (simMinute: number, held: number, cell?: number) =>
  vmEvent("resized", {
    request: ribosomes(held),
    allocation: ribosomes(held),
    simMinute,
    ...(cell === undefined ? {} : { given: ribosomes(cell) }),
  });
const after = (...events: readonly VmEvent[]) =>
  [...LOGS.running, ...events].reduce(
    (state, event, i) =>
      vmFold.evolve(state, event, { seq: 10 * (i + 1), atMs: i, version: i + 1, subject: "vm/a" } as never),
    vmFold.initial,
  ) as Vm;
const atMinutes = (vm: Vm, ...minutes: readonly number[]) =>
  minutes.map((m) => amountsAt(vm, m)["ribosomes"]);

const vm = (...events: readonly VmEvent[]) => given(vmDecider, ...events);

describe("a resize at a minute", () => {
  const larger = { ribosomes: 600 };
  const smaller = { ribosomes: 7 };
  const running = vm(...LOGS.running);
  const at = (simMinute: number, more: object = {}) => ({
    fence: FENCE,
    restores: 0,
    simMinute,
    presentMinute: simMinute,
    ...more,
  });
  const resize = (amounts: typeof larger, more: object) =>
    ({
      type: "resize",
      vmId: VM_ID,
      request: amounts,
      given: amounts,
      granted: { fence: FENCE, amounts, amountsSeq: 50 },
      at: at(5),
      ...more,
    }) as const;

  it("records the minute, and what the cell gets if the ledger holds more", () => {
    const whole = { request: larger, allocation: larger, simMinute: 5 };
    running.when(resize(larger, {})).thenAppended(vmEvent("resized", whole));
    running
      .when(resize(larger, { given: smaller }))
      .thenAppended(vmEvent("resized", { ...whole, given: smaller }));
    running
      .when(resize(REQUEST, { given: smaller }))
      .thenAppended(
        vmEvent("resized", { request: REQUEST, allocation: REQUEST, simMinute: 5, given: smaller }),
      );
    running.when(resize(REQUEST, {})).thenUnchanged();
  });

  it("is rejected if the cell would have more at another minute than its ledger holds", () => {
    running.when(resize(smaller, { at: at(9, { presentMinute: 5 }) })).thenRejected("CONFLICT");
    const later = vmEvent("resized", { request: larger, allocation: larger, simMinute: 9 });
    vm(...LOGS.running, later)
      .when(resize(smaller, {}))
      .thenRejected("CONFLICT");
  });

  it("is rejected for another guest, and for a minute before the checkpoint", () => {
    for (const other of [at(5, { restores: 1 }), at(5, { fence: FENCE - 1 })]) {
      running.when(resize(larger, { at: other })).thenRejected("CONFLICT", { retryable: true });
    }
    vm(...LOGS.running, checkpointed(6))
      .when(resize(larger, {}))
      .thenRejected("CONFLICT", { retryable: true });
  });
});

describe("a VM whose allocation changes at minutes", () => {
  it("holds the largest amounts, and its cell has at each minute those of the minute", () => {
    expect(after().allocationCourse).toBeUndefined();
    const vm = after(resized(9, 600), resized(5, 600, 300), resized(9, 600, 200));
    expect(vm).toMatchObject({ request: ribosomes(600), allocation: ribosomes(600) });
    expect(atMinutes(vm, 0, 4, 5, 8, 9, 90)).toEqual([503, 503, 300, 300, 200, 200]);
    expect([0, 5, 8, 9].map((minute) => largestFrom(vm, minute))).toEqual([
      ribosomes(600),
      ribosomes(600),
      ribosomes(600),
      ribosomes(200),
    ]);
  });

  it("continues from its checkpoint with the amounts before the changes that may act again", () => {
    const changes = [resized(5, 503, 300), resized(7, 503, 200)];
    const at = (minute: number) => after(...changes, checkpointed(minute)).allocationCourse?.atCheckpoint;
    expect([4, 5, 6, 7, 8].map(at)).toEqual([
      REQUEST,
      REQUEST,
      ribosomes(300),
      ribosomes(300),
      ribosomes(200),
    ]);
    expect(after(...changes, checkpointed(7)).changes).toHaveLength(1);
    expect(after(...changes, checkpointed(8)).changes).toBeUndefined();
  });

  it("releases what its cell has no more, once a checkpoint is beyond the last change", () => {
    const changes = [resized(5, 503, 300), resized(7, 503, 200)];
    for (const minute of [4, 5, 6, 7]) {
      expect(releasableTo(after(...changes, checkpointed(minute)))).toBeUndefined();
    }
    const past = [...changes, checkpointed(8)];
    expect(releasableTo(after(...past))).toEqual(ribosomes(200));
    const adopted = vmEvent("resized", { request: ribosomes(200), allocation: ribosomes(200) });
    const released = after(...past, adopted);
    expect(released).toMatchObject({ request: ribosomes(200), allocation: ribosomes(200) });
    expect([released.allocationCourse, releasableTo(released)]).toEqual([undefined, undefined]);
    expect(after(resized(5, 300), checkpointed(6)).allocationCourse, "nothing to release").toBeUndefined();
  });

  it("has no more changes once its amounts change without a minute, or its guest has ended", () => {
    const environment = vmEvent("environment-changed", {
      fence: FENCE,
      simMinute: 9,
      environment: { substrate: 1 },
    });
    const beginner = { by: "b", byPriority: 5, reason: "x", fence: FENCE };
    const ends = [
      vmEvent("resized", { request: ribosomes(100), allocation: ribosomes(100) }),
      vmEvent("preempted", { mode: "starve", ...beginner, allocation: ribosomes(100) }),
    ];
    for (const end of ends) {
      const vm = after(environment, resized(9, 600), end);
      expect(vm.changes?.map(({ environment: changed }) => changed)).toEqual([{ substrate: 1 }]);
      expect(atMinutes(vm, 0, 9)).toEqual([100, 100]);
    }
    expect(after(resized(9, 600), STOP, STOPPED)).toMatchObject({
      changes: undefined,
      allocationCourse: undefined,
    });
  });
});
