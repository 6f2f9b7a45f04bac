import type { VmState } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { graceMs, nextAction, type PresentGuest } from "./desired.ts";

/** Only the fields that the decision reads. */
const vm = (state: string, fence: number | null = 9) =>
  ({
    exists: true,
    state,
    fence,
    allocation: { ribosomes: 5 },
    restores: 1,
    migration: null,
  }) as unknown as VmState;
const leaving = (state: string) =>
  ({ ...vm(state), migration: { target: { chassisId: "d", fence: 12 } } }) as unknown as VmState;
const checkpointedAt = (simMinutes: number) =>
  ({ ...vm("running"), checkpoint: { simMinutes } }) as unknown as VmState;
const ending = (state: string, untilReached?: true) =>
  ({ ...vm(state), until: { simMinutes: 9, then: "pause" }, untilReached }) as unknown as VmState;
const guest = (more: Partial<PresentGuest> = {}): PresentGuest => ({
  fence: 9,
  state: "running",
  allocation: { ribosomes: 5 },
  restores: 1,
  ...more,
});

const AT_END = guest({ atLastMinute: true });

describe("the time that a stop leaves a guest", () => {
  it("is what remains until the deadline, and at most what the user asked for", () => {
    const deadline = { atMs: 10_000, withinMs: 4_000 };
    expect(graceMs(null, 0)).toBeUndefined();
    expect(graceMs(deadline, 7_000)).toBe(3_000);
    expect(graceMs(deadline, 10_001)).toBe(0);
    expect(graceMs(deadline, 5_000), "a clock that is behind").toBe(4_000);
  });
});

describe("an agent's next action", () => {
  it.each<[string, VmState, boolean, PresentGuest | undefined, string]>([
    ["is nothing for a stopped VM without a guest", vm("stopped", null), true, undefined, "none"],
    ["ends the guest of a stopped VM", vm("stopped", null), true, guest(), "end"],
    ["ends the guest of a VM on another agent's chassis", vm("running"), false, guest(), "end"],
    ["ends the guest of an unknown VM", { exists: false }, true, guest(), "end"],
    ["starts a VM that was placed here", vm("starting"), true, undefined, "start"],
    [
      "completes the start of a guest that an earlier process began",
      vm("starting"),
      true,
      guest({ unfinished: true }),
      "start",
    ],
    [
      "completes it also for a VM that runs in the log",
      vm("running"),
      true,
      guest({ unfinished: true }),
      "start",
    ],
    [
      "ends an unfinished guest of a stopped VM",
      vm("stopped", null),
      true,
      guest({ unfinished: true }),
      "end",
    ],
    [
      "reports an unfinished guest that has failed",
      vm("starting"),
      true,
      guest({ unfinished: true, state: "failed" }),
      "report-failed",
    ],
    [
      "restarts a guest that started before a restore",
      vm("running"),
      true,
      guest({ restores: 0 }),
      "restart",
    ],
    [
      "restarts it also while it is paused",
      vm("paused"),
      true,
      guest({ restores: 0, state: "paused" }),
      "restart",
    ],
    [
      "restarts a guest that is behind its checkpoint",
      checkpointedAt(10),
      true,
      guest({ reachedMinutes: 9 }),
      "restart",
    ],
    [
      "restarts a guest in which a program ran that is not recorded",
      vm("running"),
      true,
      guest({ isUnrecorded: true }),
      "restart",
    ],
    [
      "leaves a guest that has reached its checkpoint",
      checkpointedAt(10),
      true,
      guest({ reachedMinutes: 10 }),
      "none",
    ],
    ["leaves a guest whose progress is unknown", checkpointedAt(10), true, guest(), "none"],
    ["starts a running VM whose guest is missing", vm("running"), true, undefined, "start"],
    ["starts a paused VM whose guest is missing", vm("paused"), true, undefined, "start"],
    ["replaces a guest of an older reservation", vm("starting", 12), true, guest(), "start"],
    [
      "leaves a guest of a newer reservation, whose event has not arrived yet",
      vm("running", 7),
      true,
      guest(),
      "none",
    ],
    ["reports a start", vm("starting"), true, guest(), "report-started"],
    ["reports a failure", vm("running"), true, guest({ state: "failed" }), "report-failed"],
    ["pauses", vm("paused"), true, guest(), "pause"],
    ["resumes", vm("running"), true, guest({ state: "paused" }), "resume"],
    ["reports the last minute of a cell", ending("running"), true, AT_END, "report-until-reached"],
    [
      "reports it of a paused VM too",
      ending("paused"),
      true,
      { ...AT_END, state: "paused" },
      "report-until-reached",
    ],
    ["pauses a guest at a last minute that the log has", ending("paused", true), true, AT_END, "pause"],
    ["lets a resumed cell pass it", ending("running", true), true, AT_END, "resume"],
    ["leaves a cell before it", ending("running"), true, guest(), "none"],
    ["pauses before it resizes", vm("paused"), true, guest({ allocation: {} }), "pause"],
    ["resizes a paused guest", vm("paused"), true, guest({ state: "paused", allocation: {} }), "resize"],
    ["resizes before it resumes", vm("running"), true, guest({ state: "paused", allocation: {} }), "resize"],
    ["stops", vm("stopping"), true, guest(), "stop"],
    ["stops a VM without a guest, too", vm("stopping"), true, undefined, "stop"],
    ["is nothing when the guest is as desired", vm("running"), true, guest(), "none"],
  ])("%s", (_what, state, isHosted, present, kind) => {
    expect(nextAction(state, isHosted, present).kind).toBe(kind);
  });

  it.each<[string, VmState, PresentGuest | undefined, string]>([
    ["hands over a running guest", leaving("running"), guest(), "hand-over"],
    ["hands over a paused guest", leaving("paused"), guest({ state: "paused" }), "hand-over"],
    [
      "reports the hand-over when the guest died with an earlier agent",
      leaving("running"),
      undefined,
      "report-handed-over",
    ],
    ["reports a failed guest instead", leaving("running"), guest({ state: "failed" }), "report-failed"],
    [
      "keeps the guest until the VM has a reservation",
      { ...leaving("running"), migration: { target: null } } as VmState,
      guest(),
      "none",
    ],
    ["stops the guest of a stopping VM", leaving("stopping"), guest(), "stop"],
  ])("for a moving VM %s", (_what, state, present, kind) => {
    expect(nextAction(state, true, present).kind).toBe(kind);
  });

  it("pauses the guest of a VM that moved while paused, and then reports its start", () => {
    const state = { ...vm("starting"), startsPaused: true } as VmState;
    expect(nextAction(state, true, guest()).kind).toBe("pause");
    expect(nextAction(state, true, guest({ state: "paused" })).kind).toBe("report-started");
  });

  it.each<[string, VmState, boolean, PresentGuest | undefined, string]>([
    ["pauses a running guest", vm("running"), true, guest(), "pause"],
    ["pauses a guest of a newer reservation as well", vm("running", 7), true, guest(), "pause"],
    ["leaves a paused guest", vm("running"), true, guest({ state: "paused" }), "none"],
    ["starts nothing", vm("starting"), true, undefined, "none"],
    ["stops nothing", vm("stopping"), true, guest({ state: "paused" }), "none"],
    ["still ends a guest whose VM is on another agent's chassis", vm("running"), false, guest(), "end"],
  ])("while guests must be held %s", (_what, state, isHosted, present, kind) => {
    expect(nextAction(state, isHosted, present, true).kind).toBe(kind);
  });

  describe("while the amounts of the cell change at minutes", () => {
    const [before, after] = [{ ribosomes: 5 }, { ribosomes: 9 }];
    const changing = {
      ...vm("running"),
      allocation: after,
      allocationCourse: { before, atCheckpoint: { ribosomes: 7 } },
      changes: [{ seq: 30, simMinute: 50, allocation: after }],
    } as unknown as VmState;
    const over = { ...vm("running"), allocation: after } as unknown as VmState;

    it("starts a guest with the amounts of the checkpoint", () => {
      expect(nextAction(changing, true, undefined)).toMatchObject({
        kind: "start",
        allocation: { ribosomes: 7 },
      });
    });

    it("gives the guest the change, and nothing at once", () => {
      expect(nextAction(changing, true, guest({ changedSeq: 29 }))).toMatchObject({
        kind: "change",
        change: { seq: 30 },
      });
      expect(nextAction(changing, true, guest({ changedSeq: 30, hasCourse: true })).kind).toBe("none");
    });

    it("gives amounts that changed without a minute at once, before the changes that follow", () => {
      const starved = guest({ allocation: { ribosomes: 1 }, changedSeq: 29 });
      expect(nextAction(changing, true, starved)).toMatchObject({ kind: "resize", allocation: before });
    });

    it("ends the changes of the guest when they are over, also if its amounts are the same", () => {
      const has = guest({ allocation: after, hasCourse: true });
      expect(nextAction(over, true, has)).toMatchObject({ kind: "resize", allocation: after });
      expect(nextAction(over, true, guest({ allocation: after, hasCourse: false })).kind).toBe("none");
    });
  });

  it("resizes a guest whose machine has a cell with other amounts", () => {
    const machine = {
      ...vm("running"),
      allocation: { vcpus: 2 },
      cell: { ribosomes: 5 },
    } as unknown as VmState;
    expect(nextAction(machine, true, guest({ allocation: { vcpus: 2 } }))).toMatchObject({
      kind: "resize",
      allocation: { vcpus: 2, ribosomes: 5 },
    });
    expect(nextAction(machine, true, guest({ allocation: { ribosomes: 5, vcpus: 2 } })).kind).toBe("none");
  });
});
