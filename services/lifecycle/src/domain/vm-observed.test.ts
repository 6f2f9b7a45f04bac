/**
 * What is recorded of what others did to a VM's machine, and what the VM is then.
 */
import {
  type DriftPolicy,
  SEEN_REASONS,
  type SeenChange,
  type Vm,
  type VmEvent,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { decideObserved, OBSERVED_AGAIN_MS } from "./vm-observed.ts";
import { decideEndings, decideReport } from "./vm-world.ts";

const event = (type: string, data: object = {}) => ({ type: `bioxen.vm.${type}.v1`, data }) as VmEvent;
const CREATED = event("created", { incarnation: 1, request: { vcpus: 1 }, vmType: "xcpng" });
const STARTING = [
  CREATED,
  event("start-requested", { automatic: false }),
  event("placed", { chassisId: "p", fence: 9, allocation: { vcpus: 1 } }),
];
const RUNS = [...STARTING, event("started", { fence: 9 })];
const PAUSED = [...RUNS, event("paused")];
const STOPPING = [...RUNS, event("stop-requested", { destroy: false })];
const STOPPED = [...STOPPING, event("stopped", { reason: "by command" })];
const FAILED = [...RUNS, event("failed", { reason: "x", code: "GUEST_ERROR" })];

const then = (state: VmState, ...events: VmEvent[]): VmState =>
  events.reduce<VmState>((before, one, i) => {
    const version = (before.exists ? before.version : 0) + 1;
    const at = { eventId: `e${version}`, correlationId: "c", seq: version, version, atMs: 1_000 + i };
    return vmFold.evolve(before, one, at);
  }, state);
const given = (events: readonly VmEvent[]): VmState => then(vmFold.initial, ...events);
const change = (seen: SeenChange, drift: DriftPolicy = "repair", seenAtMs = 5_000) => ({
  seen,
  drift,
  seenAtMs,
});
const saidOf = (decision: ReturnType<typeof decideObserved>) =>
  decision.ok && decision.event?.type === "bioxen.vm.observed.v1"
    ? decision.event.data.consequence
    : "nothing is recorded";

/** What follows by `repair` and by `accept`, and what the VM is by the latter. */
const TABLE: readonly (readonly [string, readonly VmEvent[], SeenChange, string, string, string])[] = [
  ["starting", STARTING, "paused", "REPAIR", "REPAIR", "starting"],
  ["running", RUNS, "paused", "REPAIR", "FOLLOW", "paused"],
  ["running", RUNS, "suspended", "REPAIR", "FOLLOW", "paused"],
  ["paused", PAUSED, "suspended", "NONE", "NONE", "paused"],
  ["paused", PAUSED, "resumed", "REPAIR", "FOLLOW", "running"],
  ["running", RUNS, "resumed", "NONE", "NONE", "running"],
  ["running", RUNS, "halted", "FAIL", "FOLLOW", "stopping"],
  ["starting", STARTING, "halted", "FAIL", "FOLLOW", "stopping"],
  ["stopping", STOPPING, "halted", "NONE", "NONE", "stopping"],
  ["stopped", STOPPED, "started", "REPAIR", "REPAIR", "stopped"],
  ["in error", FAILED, "started", "REPAIR", "REPAIR", "error"],
  ["running", RUNS, "started", "NONE", "NONE", "running"],
  ["running", RUNS, "deleted", "FAIL", "FOLLOW", "stopping"],
  ["stopped", STOPPED, "deleted", "NONE", "FOLLOW", "stopped"],
  ["running", RUNS, "moved", "NONE", "NONE", "running"],
];

describe("what follows", () => {
  it.each(TABLE)("%s, it was %s: %s", (_name, events, seen, repaired, accepted, state) => {
    const vm = given(events);
    expect(saidOf(decideObserved(vm, 9, change(seen)))).toBe(repaired);
    const decision = decideObserved(vm, 9, change(seen, "accept"));
    expect(saidOf(decision)).toBe(accepted);
    if (!decision.ok || decision.event === null) throw new Error("nothing was recorded");
    expect(then(vm, decision.event)).toMatchObject({ state });
  });

  it("one that preemption holds is not let go on", () => {
    const took = { mode: "pause", fence: 9, by: "b", byPriority: 5, reason: "x", allocation: {} };
    expect(
      saidOf(decideObserved(given([...RUNS, event("preempted", took)]), 9, change("resumed", "accept"))),
    ).toBe("REPAIR");
  });

  it.each([
    ["running", RUNS],
    ["stopped", STOPPED],
    ["in error", FAILED],
  ])("%s and deleted, it is destroyed once it has stopped, and says why", (_name, events) => {
    let vm = given(events);
    const decision = decideObserved(vm, 9, change("deleted", "accept"));
    if (!decision.ok || decision.event === null) throw new Error("nothing was recorded");
    vm = then(vm, decision.event);
    if ((vm as Vm).state === "stopping") {
      const report = { fence: 9, observed: "stopped", reason: (vm as Vm).reason ?? "", code: "" } as const;
      const stopped = decideReport(vm, report, undefined, 0);
      if (!stopped.ok || stopped.event === null) throw new Error("it did not stop");
      vm = then(vm, stopped.event);
    }
    expect(decideEndings(vm)).toMatchObject({
      event: { type: "bioxen.vm.destroyed.v1", data: { reason: SEEN_REASONS.deleted } },
    });
  });
});

describe("what is recorded", () => {
  const told = (events: readonly VmEvent[], fence: number, ...changes: ReturnType<typeof change>[]) => {
    let vm = given(events);
    return changes.map((one) => {
      const decision = decideObserved(vm, fence, one);
      if (decision.ok && decision.event !== null) vm = then(vm, decision.event);
      return saidOf(decision);
    });
  };

  it.each([
    ["of a place that another has followed", RUNS, 8],
    ["of a place it does not have yet", RUNS, 10],
    ["of its last place, while it waits for another", [...FAILED, event("start-requested", {})], 9],
    ["of one that was never placed", [CREATED], 9],
    ["of one that is destroyed", [...STOPPED, event("destroyed", { reason: "x" })], 9],
  ])("nothing %s", (_name, events, fence) => {
    expect(told(events, fence, change("paused"))).toEqual(["nothing is recorded"]);
  });

  it("the same again only after a minute, another kind at once, on another place at once", () => {
    const at = (ms: number, seen: SeenChange = "paused") => change(seen, "repair", 5_000 + ms);
    const again = at(OBSERVED_AGAIN_MS);
    expect(told(RUNS, 9, at(0), at(0), at(1), at(2, "moved"), at(OBSERVED_AGAIN_MS - 1), again)).toEqual([
      "REPAIR",
      "nothing is recorded",
      "nothing is recorded",
      "NONE",
      "nothing is recorded",
      "REPAIR",
    ]);
    const elsewhere = [
      ...RUNS,
      event("observed", { fence: 9, ...at(0), consequence: "REPAIR" }),
      event("failed", { reason: "x", code: "c" }),
      event("start-requested", { automatic: true }),
      event("placed", { chassisId: "p", fence: 12, allocation: { vcpus: 1 } }),
      event("started", { fence: 12 }),
    ];
    expect(told(elsewhere, 12, at(1))).toEqual(["REPAIR"]);
  });

  it("what it follows each time, but not what was overtaken", () => {
    const at = (ms: number, seen: SeenChange) => change(seen, "accept", 5_000 + ms);
    expect(told(RUNS, 9, at(0, "paused"), at(1, "resumed"), at(0, "paused"), at(2, "paused"))).toEqual([
      "FOLLOW",
      "FOLLOW",
      "nothing is recorded",
      "FOLLOW",
    ]);
  });
});
