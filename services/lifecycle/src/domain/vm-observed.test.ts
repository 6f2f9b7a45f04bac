/**
 * What is recorded about changes that were made to a VM's machine from outside of BioXen, and what the VM becomes
 * by them.
 */
import { type DriftPolicy, SEEN_REASONS, type SeenChange, type VmEvent } from "@bioxen/contracts";
import { given, vmEvent } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { AUTOMATIC_START, FAILED, FENCE, PAUSED, PLACED, START, STARTED, STOP, STOPPED } from "./testing.ts";
import { vmDecider } from "./vm-decider.ts";
import { OBSERVED_AGAIN_MS } from "./vm-observed.ts";

const CREATED = vmEvent("created", { incarnation: 1, request: { vcpus: 1 }, vmType: "xcpng" });
const STARTING = [CREATED, START, PLACED];
const RUNS = [...STARTING, STARTED];
const IS_PAUSED = [...RUNS, PAUSED];
const IS_STOPPING = [...RUNS, STOP];
const IS_STOPPED = [...IS_STOPPING, STOPPED];
const HAS_FAILED = [...RUNS, FAILED];

interface Change {
  readonly seen: SeenChange;
  readonly drift: DriftPolicy;
  readonly seenAtMs: number;
}
const change = (seen: SeenChange, drift: DriftPolicy = "repair", seenAtMs = 5_000): Change => ({
  seen,
  drift,
  seenAtMs,
});

const vm = (events: readonly VmEvent[]) => given(vmDecider, ...events);
type Given = ReturnType<typeof vm>;
const report = (of: Given, outside: Change, fence = FENCE) =>
  of.when({
    type: "report",
    report: { fence, observed: "outside-change", reason: "", code: "INTERNAL", outside },
    entry: undefined,
    targetEntry: undefined,
    nowMs: 0,
  });
const NOT_RECORDED = "not recorded";
const consequenceOf = ({ decision }: ReturnType<typeof report>) =>
  decision.ok && decision.event?.type === "bioxen.vm.observed.v1"
    ? decision.event.data.consequence
    : NOT_RECORDED;

/** The consequence under `repair` and under `accept`, and the state of the VM under the latter. */
const TABLE: readonly (readonly [string, readonly VmEvent[], SeenChange, string, string, string])[] = [
  ["a VM that is starting", STARTING, "paused", "REPAIR", "REPAIR", "starting"],
  ["a running VM", RUNS, "paused", "REPAIR", "FOLLOW", "paused"],
  ["a running VM", RUNS, "suspended", "REPAIR", "FOLLOW", "paused"],
  ["a paused VM", IS_PAUSED, "suspended", "NONE", "NONE", "paused"],
  ["a paused VM", IS_PAUSED, "resumed", "REPAIR", "FOLLOW", "running"],
  ["a running VM", RUNS, "resumed", "NONE", "NONE", "running"],
  ["a running VM", RUNS, "halted", "FAIL", "FOLLOW", "stopping"],
  ["a VM that is starting", STARTING, "halted", "FAIL", "FOLLOW", "stopping"],
  ["a VM that is stopping", IS_STOPPING, "halted", "NONE", "NONE", "stopping"],
  ["a stopped VM", IS_STOPPED, "started", "REPAIR", "REPAIR", "stopped"],
  ["a failed VM", HAS_FAILED, "started", "REPAIR", "REPAIR", "error"],
  ["a running VM", RUNS, "started", "NONE", "NONE", "running"],
  ["a running VM", RUNS, "deleted", "FAIL", "FOLLOW", "stopping"],
  ["a stopped VM", IS_STOPPED, "deleted", "NONE", "FOLLOW", "stopped"],
  ["a running VM", RUNS, "moved", "NONE", "NONE", "running"],
];

describe("the consequence of a change from outside", () => {
  it.each(TABLE)("%s, machine %3$s: %4$s by repair, %5$s by accept", (...row) => {
    const [, events, seen, repaired, accepted, state] = row;
    expect(consequenceOf(report(vm(events), change(seen)))).toBe(repaired);
    const reported = report(vm(events), change(seen, "accept"));
    expect(consequenceOf(reported)).toBe(accepted);
    const after = reported.thenAppended(expect.objectContaining({ type: "bioxen.vm.observed.v1" }));
    expect(after.state).toMatchObject({ state });
  });

  it("is a repair when the machine of a VM is resumed that preemption holds paused", () => {
    const took = { mode: "pause", fence: FENCE, by: "b", byPriority: 5, reason: "x", allocation: {} };
    const held = vm([...RUNS, vmEvent("preempted", took)]);
    expect(consequenceOf(report(held, change("resumed", "accept")))).toBe("REPAIR");
  });

  it.each([
    ["running", RUNS],
    ["stopped", IS_STOPPED],
    ["failed", HAS_FAILED],
  ])("is the end of a %s VM whose machine was deleted, once it has stopped", (_which, events) => {
    let deleted = report(vm(events), change("deleted", "accept")).thenAppended(
      expect.objectContaining({ type: "bioxen.vm.observed.v1" }),
    );
    if (deleted.state.exists && deleted.state.state === "stopping") {
      deleted = deleted.and(vmEvent("stopped", { reason: deleted.state.reason ?? "" }));
    }
    deleted
      .when({ type: "settle", hasRemover: true })
      .thenAppended(vmEvent("destroyed", { reason: SEEN_REASONS.deleted }));
  });
});

describe("the record of changes from outside", () => {
  const consequencesOf = (events: readonly VmEvent[], fence: number, ...changes: readonly Change[]) => {
    let now = vm(events);
    return changes.map((one) => {
      const reported = report(now, one, fence);
      const { decision } = reported;
      if (decision.ok && decision.event !== null) now = now.and(decision.event);
      return consequenceOf(reported);
    });
  };

  it.each([
    ["a place that another has replaced", RUNS, FENCE - 1],
    ["a place that the VM does not have yet", RUNS, FENCE + 1],
    ["the last place of a VM that waits for another", [...HAS_FAILED, START], FENCE],
    ["a VM that was never placed", [CREATED], FENCE],
    ["a destroyed VM", [...IS_STOPPED, vmEvent("destroyed", { reason: "x" })], FENCE],
  ])("has nothing about %s", (_which, events, fence) => {
    expect(consequencesOf(events, fence, change("paused"))).toEqual([NOT_RECORDED]);
  });

  it("has a kind of change once a minute, and another kind or another place at once", () => {
    const at = (ms: number, seen: SeenChange = "paused") => change(seen, "repair", 5_000 + ms);
    const changes = [at(0), at(0), at(1), at(2, "moved"), at(OBSERVED_AGAIN_MS - 1), at(OBSERVED_AGAIN_MS)];
    expect(consequencesOf(RUNS, FENCE, ...changes)).toEqual([
      "REPAIR",
      NOT_RECORDED,
      NOT_RECORDED,
      "NONE",
      NOT_RECORDED,
      "REPAIR",
    ]);
    const nextFence = 75;
    const elsewhere = [
      ...RUNS,
      vmEvent("observed", { fence: FENCE, ...at(0), consequence: "REPAIR" }),
      FAILED,
      AUTOMATIC_START,
      vmEvent("placed", { chassisId: "here", fence: nextFence, allocation: { vcpus: 1 } }),
      vmEvent("started", { fence: nextFence }),
    ];
    expect(consequencesOf(elsewhere, nextFence, at(1))).toEqual(["REPAIR"]);
  });

  it("has every change that the VM follows, but no change that a later one overtook", () => {
    const at = (ms: number, seen: SeenChange) => change(seen, "accept", 5_000 + ms);
    const changes = [at(0, "paused"), at(1, "resumed"), at(0, "paused"), at(2, "paused")];
    expect(consequencesOf(RUNS, FENCE, ...changes)).toEqual(["FOLLOW", "FOLLOW", NOT_RECORDED, "FOLLOW"]);
  });
});
