import type { UnreadableMessage } from "@bioxen/kernel";
import type { ServiceInstance } from "@bioxen/nats";
import { FakeClock } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { isNewer, StandBy } from "./stand-by.ts";

const instance = (version: string, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  name: "lifecycle",
  id: version,
  version,
  url: null,
  process: null,
  agentId: null,
  waiting: null,
  ...more,
});
const unreadable = (isFromNewer: boolean): UnreadableMessage => ({
  seq: 7,
  streamSubject: "bioxen.evt.vm.a",
  digest: "",
  why: "",
  isNewer: isFromNewer,
});

/** An instance of version 1.0.0, with the messages that it cannot read and the instances that run. */
function world() {
  const state = { unreadable: [] as UnreadableMessage[], running: [instance("1.0.0")] };
  const clock = new FakeClock();
  let listener: (message: UnreadableMessage) => void = () => {};
  const standBy = new StandBy({
    name: "lifecycle",
    version: "1.0.0",
    feed: {
      unreadable: () => state.unreadable,
      onUnreadable: (told) => {
        listener = told;
      },
    },
    timers: clock,
    discover: async () => state.running,
  });
  const reads = (message: UnreadableMessage) => {
    state.unreadable.push(message);
    listener(message);
  };
  /** What the promise has come to after this time. */
  const outcome = async <T>(promise: Promise<T>, afterMs: number): Promise<T | "waits"> => {
    const waits = new Promise<"waits">((resolve) => clock.after(afterMs + 1, () => resolve("waits")));
    const first = Promise.race([promise, waits]);
    await clock.advance(afterMs + 1);
    return first;
  };
  return { state, standBy, reads, outcome };
}

it.each([
  ["1.0.1", "1.0.0", true],
  ["1.10.0", "1.9.9", true],
  ["2.0.0-rc.1", "1.9.9", true],
  ["1.0.0", "1.0.0", false],
  ["1.0.0-rc.1", "1.0.0", false],
  ["0.9.0", "1.0.0", false],
])("version %s is newer than %s: %s", (a, b, expected) => {
  expect(isNewer(a, b)).toBe(expected);
});

it("an instance that reads every event is admitted, also beside a newer one", async () => {
  const { state, standBy, outcome } = world();
  state.running.push(instance("2.0.0"));
  expect(
    await outcome(
      standBy.admitted(() => {}),
      0,
    ),
  ).toBeUndefined();
  state.unreadable.push(unreadable(false));
  expect(
    await outcome(
      standBy.admitted(() => {}),
      0,
    ),
  ).toBeUndefined();
});

it("an instance that is alone is admitted, whatever it cannot read", async () => {
  const { state, standBy, outcome } = world();
  state.unreadable.push(unreadable(true));
  state.running.push(instance("2.0.0", { name: "allocator" }), instance("2.0.0", { waiting: "claim" }));
  expect(
    await outcome(
      standBy.admitted(() => {}),
      0,
    ),
  ).toBeUndefined();
});

it("an instance waits while a newer one serves, and is admitted once that one has been away for three looks", async () => {
  const { state, standBy, outcome } = world();
  state.unreadable.push(unreadable(true));
  state.running.push(instance("2.0.0"));
  const reasons: string[] = [];
  const admitted = standBy.admitted((reason) => reasons.push(reason));
  expect(await outcome(admitted, 10_000)).toBe("waits");
  expect(reasons).toEqual([
    "event 7 was written by a newer BioXen, and version 2.0.0 of lifecycle serves: this is 1.0.0",
  ]);
  state.running.pop();
  expect(await outcome(admitted, 2_000)).toBe("waits");
  expect(await outcome(admitted, 2_000)).toBeUndefined();
});

it("a serving instance ends at the first event that only a newer one can read", async () => {
  const { state, standBy, reads, outcome } = world();
  state.running.push(instance("2.0.0"));
  const ends = standBy.mustEnd;
  expect(await outcome(ends, 60_000)).toBe("waits");
  reads(unreadable(false));
  expect(await outcome(ends, 60_000)).toBe("waits");
  reads(unreadable(true));
  expect(await outcome(ends, 0)).toContain("event 7 was written by a newer BioXen");
});

it("a serving instance ends within a second after a newer one has come", async () => {
  const { state, standBy, reads, outcome } = world();
  const ends = standBy.mustEnd;
  reads(unreadable(true));
  expect(await outcome(ends, 60_000)).toBe("waits");
  state.running.push(instance("2.0.0"));
  expect(await outcome(ends, 1_000)).toContain("version 2.0.0 of lifecycle serves");
});
