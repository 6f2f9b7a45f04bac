import type { VmState } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { nextAction, type PresentGuest } from "./desired.ts";

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
const guest = (more: Partial<PresentGuest> = {}): PresentGuest => ({
  fence: 9,
  state: "running",
  allocation: { ribosomes: 5 },
  restores: 1,
  ...more,
});

describe("what an agent does next", () => {
  it.each<[string, VmState, boolean, PresentGuest | undefined, string]>([
    ["nothing for what is not here and should not be", vm("stopped", null), true, undefined, "none"],
    ["ends a leftover of a VM that stopped", vm("stopped", null), true, guest(), "end"],
    ["ends a leftover of a VM that went elsewhere", vm("running"), false, guest(), "end"],
    ["ends a leftover of a VM that never was", { exists: false }, true, guest(), "end"],
    ["starts what was placed here", vm("starting"), true, undefined, "start"],
    ["sets back what began before its VM was", vm("running"), true, guest({ restores: 0 }), "restart"],
    ["also while it is paused", vm("paused"), true, guest({ restores: 0, state: "paused" }), "restart"],
    [
      "lets go on from its checkpoint what never got so far",
      checkpointedAt(10),
      true,
      guest({ reachedMinutes: 9 }),
      "restart",
    ],
    ["leaves what has been there", checkpointedAt(10), true, guest({ reachedMinutes: 10 }), "none"],
    ["leaves what is not watched", checkpointedAt(10), true, guest(), "none"],
    ["starts again what ran before it died", vm("running"), true, undefined, "start"],
    ["starts again what was paused before it died", vm("paused"), true, undefined, "start"],
    ["replaces a guest of an older reservation", vm("starting", 12), true, guest(), "start"],
    [
      "leaves a guest of a newer reservation, whose news is on its way",
      vm("running", 7),
      true,
      guest(),
      "none",
    ],
    ["reports a start", vm("starting"), true, guest(), "report-started"],
    ["reports a failure", vm("running"), true, guest({ state: "failed" }), "report-failed"],
    ["pauses", vm("paused"), true, guest(), "pause"],
    ["resumes", vm("running"), true, guest({ state: "paused" }), "resume"],
    ["pauses before it gives less", vm("paused"), true, guest({ allocation: {} }), "pause"],
    ["resizes what is paused", vm("paused"), true, guest({ state: "paused", allocation: {} }), "resize"],
    [
      "gives more before it resumes",
      vm("running"),
      true,
      guest({ state: "paused", allocation: {} }),
      "resize",
    ],
    ["stops", vm("stopping"), true, guest(), "stop"],
    ["says that it stopped even when there was no guest", vm("stopping"), true, undefined, "stop"],
    ["rests", vm("running"), true, guest(), "none"],
  ])("%s", (_what, state, isHosted, present, kind) => {
    expect(nextAction(state, isHosted, present).kind).toBe(kind);
  });

  it.each<[string, VmState, PresentGuest | undefined, string]>([
    ["hands a running guest over", leaving("running"), guest(), "hand-over"],
    ["hands a paused guest over", leaving("paused"), guest({ state: "paused" }), "hand-over"],
    [
      "says that it did, also when its guest died with the agent before",
      leaving("running"),
      undefined,
      "report-handed-over",
    ],
    ["reports a guest that failed instead", leaving("running"), guest({ state: "failed" }), "report-failed"],
    [
      "keeps it while there is no place yet",
      { ...leaving("running"), migration: { target: null } } as VmState,
      guest(),
      "none",
    ],
    ["stops it when its user wants that", leaving("stopping"), guest(), "stop"],
  ])("of a VM that has a place elsewhere %s", (_what, state, present, kind) => {
    expect(nextAction(state, true, present).kind).toBe(kind);
  });

  it("leaves the guest of a VM that was paused elsewhere paused, and only then reports it", () => {
    const state = { ...vm("starting"), startsPaused: true } as VmState;
    expect(nextAction(state, true, guest()).kind).toBe("pause");
    expect(nextAction(state, true, guest({ state: "paused" })).kind).toBe("report-started");
  });

  it.each<[string, VmState, boolean, PresentGuest | undefined, string]>([
    ["keeps a guest from running on", vm("running"), true, guest(), "pause"],
    ["keeps one of a newer reservation as well", vm("running", 7), true, guest(), "pause"],
    ["leaves a paused one", vm("running"), true, guest({ state: "paused" }), "none"],
    ["starts nothing", vm("starting"), true, undefined, "none"],
    ["says of nothing that it stopped", vm("stopping"), true, guest({ state: "paused" }), "none"],
    ["still ends what is nobody's", vm("running"), false, guest(), "end"],
  ])("while its places may be another's it %s", (_what, state, isHosted, present, kind) => {
    expect(nextAction(state, isHosted, present, true).kind).toBe(kind);
  });
});
