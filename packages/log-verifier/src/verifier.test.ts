/**
 * Each rule is reported for a log that breaks it, and for no log that obeys it.
 */
import { describe, expect, it } from "vitest";
import { LogVerifier, type Rule } from "./index.ts";
import {
  alert,
  chassis,
  checkpointed,
  checkpointLost,
  created,
  entry,
  entryOn,
  entryResized,
  environmentChanged,
  evicted,
  type Line,
  MOVING,
  notified,
  onTarget,
  opened,
  placed,
  preempted,
  RAISED_ALERT,
  REGISTERED,
  RUNNING,
  RUNNING_LATER,
  reinstated,
  reserved,
  reservedUnder,
  restored,
  snapshot,
  started,
  startRequested,
  toMove,
  verify,
  vm,
  WHOLE_LIFE,
  WITH_RIVALS,
} from "./testing.ts";

const OBJECT = { vmId: "a", kind: "disk", uuid: "d1" };
const LEFT = chassis("removal-failed", { ...OBJECT, tries: 1, reason: "in use", nextTryAtMs: 5 });
const GIVEN_UP = chassis("removal-failed", { ...OBJECT, tries: 11, reason: "in use", nextTryAtMs: null });

describe("the verifier", () => {
  it("accepts a removal that each run of an agent fails again, until it is completed", () => {
    const completed = chassis("removal-completed", OBJECT);
    expect(verify([REGISTERED, LEFT, GIVEN_UP, LEFT, completed, LEFT])).toEqual([]);
  });

  it("accepts the whole life of a VM, and every beginning of it", () => {
    for (let length = 0; length <= WHOLE_LIFE.length; length += 1)
      expect(verify(WHOLE_LIFE.slice(0, length))).toEqual([]);
  });

  it("accepts a displacement in both versions of the event", () => {
    const displaced = (version: number): Line => [
      "vm/a",
      "vm.displaced",
      { fence: 4 },
      { typeVersion: version },
    ];
    for (const version of [1, 2]) {
      expect(verify([...RUNNING, displaced(version), entry("released", 4)])).toEqual([]);
      expect(verify([created, displaced(version)])).toEqual(["transition"]);
    }
    expect(verify([...RUNNING, displaced(3)])).toEqual(["transition"]);
  });

  it("accepts preemption and reinstatement", () => {
    for (const mode of ["starve", "pause"]) {
      const state = mode === "pause" ? "running" : "paused";
      const userPaused = mode === "pause" ? [] : [vm("paused")];
      const log = [...WITH_RIVALS, preempted({ mode }), entryResized(1), ...userPaused, entryResized(4)];
      expect(verify([...log, reinstated(state)])).toEqual([]);
      expect(
        verify([...log, vm("resized", { request: { ribosomes: 4 }, allocation: { ribosomes: 4 } })]),
      ).toEqual([]);
    }
    const held = [
      ...WITH_RIVALS,
      preempted({ mode: "pause" }),
      vm("paused"),
      entryResized(1),
      entryResized(4),
    ];
    expect(verify([...held, reinstated("paused")])).toEqual([]);
    expect(verify([...WITH_RIVALS, evicted({}), entry("released", 4)])).toEqual([]);
  });

  it("accepts the displacement by a lost chassis, and only by a lost one", () => {
    const gone: Line = [
      "vm/a",
      "vm.displaced",
      { fence: 4, chassisId: "c", code: "CHASSIS_LOST" },
      { typeVersion: 2 },
    ];
    expect(
      verify([
        REGISTERED,
        ...RUNNING_LATER,
        chassis("lost"),
        gone,
        entry("released", 5),
        chassis("recovered"),
      ]),
    ).toEqual([]);
    expect(verify([REGISTERED, ...RUNNING_LATER, gone, entry("released", 5)])).toEqual([
      "unfounded-displacement",
    ]);
  });

  it("accepts a move, a cancelled move, and a stop during a move", () => {
    expect(
      verify([
        ...MOVING,
        onTarget("moved"),
        started(11),
        entryOn("d", "committed", 11),
        entry("released", 4),
      ]),
    ).toEqual([]);
    expect(
      verify([...MOVING, onTarget("moved"), started(11), entryOn("d", "committed", 11)]),
      "the old reservation is not released yet",
    ).toEqual([]);
    expect(verify([...MOVING, vm("migration-cancelled"), entryOn("d", "released", 11)])).toEqual([]);
    expect(
      verify([...MOVING, vm("stop-requested", { destroy: false }), vm("stopped"), entry("released", 4)]),
    ).toEqual([]);
  });

  it("accepts a start that leaves the guest paused", () => {
    const paused: Line = ["vm/a", "vm.started", { fence: 4, paused: true }];
    const log = [...RUNNING.slice(0, 5), paused, entry("committed", 4)];
    expect(verify([...log, vm("resumed")])).toEqual([]);
    expect(verify([...log, vm("paused")])).toEqual(["preemption"]);
  });

  it.each<[Rule, readonly Line[]]>([
    ["preemption", [...WITH_RIVALS, preempted({ byPriority: 2 })]],
    ["preemption", [...WITH_RIVALS, preempted({ by: "unknown" })]],
    ["preemption", [...WITH_RIVALS, evicted({ by: "equal", byPriority: 2 })]],
    ["preemption", [...WITH_RIVALS, evicted({ by: "unknown" }), entry("released", 4)]],
    ["preemption", [...WITH_RIVALS, preempted({ allocation: { ribosomes: 5 } })]],
    ["preemption", [...WITH_RIVALS, preempted({ allocation: { ribosomes: 4 } })]],
    ["preemption", [...WITH_RIVALS, preempted({ mode: "pause" }), vm("resumed")]],
    ["preemption", [...WITH_RIVALS, preempted({ mode: "pause" }), vm("paused"), vm("paused")]],
    ["preemption", [...WITH_RIVALS, vm("paused"), vm("paused")]],
    ["preemption", [...WITH_RIVALS, reinstated("running")]],
    ["reinstated-without-room", [...WITH_RIVALS, preempted({}), reinstated("running")]],
    ["reinstated-without-room", [...WITH_RIVALS, preempted({}), entryResized(1), reinstated("running")]],
    ["transition", [created, preempted({})]],
    ["move", [...RUNNING, vm("migration-cancelled")]],
    ["move", [...RUNNING, toMove, toMove]],
    ["move", [...RUNNING, vm("migration-requested", { toChassisId: "c" })]],
    ["move", [...RUNNING, onTarget("migrating")]],
    ["move", [...MOVING.slice(0, -2), onTarget("migrating")]],
    ["move", [...MOVING.slice(0, -1), onTarget("moved")]],
    ["move", [...MOVING, entryOn("d", "released", 11), onTarget("moved")]],
    ["move", [...RUNNING, vm("deferred", { reasons: [] })]],
    ["transition", [created, toMove]],
    ["chassis-transition", [chassis("lost")]],
    ["chassis-transition", [REGISTERED, chassis("recovered")]],
    ["chassis-transition", [REGISTERED, chassis("lost"), chassis("lost")]],
    ["chassis-transition", [REGISTERED, LEFT, LEFT]],
    ["chassis-transition", [REGISTERED, chassis("removal-completed", OBJECT)]],
    ["chassis-transition", [REGISTERED, REGISTERED]],
    ["sequence", [opened(), [...created.slice(0, 3), { seq: 1 }] as unknown as Line]],
    ["version", [[...created.slice(0, 3), { version: 2 }] as unknown as Line]],
    ["subject", [[...created.slice(0, 3), { stored: "bioxen.evt.vm.b" }] as unknown as Line]],
    ["chain", [[...created.slice(0, 3), { previous: "x" }] as unknown as Line]],
    ["chain", [created, [...startRequested.slice(0, 3), { previous: "x" }] as unknown as Line]],
    ["transition", [created, started(1)]],
    ["transition", [created, created]],
    ["transition", [...WHOLE_LIFE, vm("paused")]],
    ["amounts", [["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: -1 } }]]],
    ["amounts", [["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: 0.5 } }]]],
    ["over-offer", [opened(3), reserved(4)]],
    ["over-offer", [opened(10, 1), reserved(1, "a"), reserved(1, "b")]],
    [
      "over-offer",
      [
        opened(),
        reserved(4),
        ["ledger/c", "ledger.resized", { vmId: "a", fence: 2, amounts: { ribosomes: 11 } }],
      ],
    ],
    ["unknown-entry", [opened(), reserved(), entry("committed", 1)]],
    ["unknown-entry", [opened(), entry("released", 1)]],
    ["unknown-entry", [opened(), reserved(), entry("expired", 2), entry("released", 2)]],
    ["two-allocations", [opened(), reserved(), reserved()]],
    ["stale-proposer", [opened(), reservedUnder(8, "a"), reservedUnder(7, "b")]],
    ["stale-proposer", [opened(), reservedUnder(8, "a"), reserved(1, "b")]],
    ["unissued-token", [opened(), reservedUnder(2 ** 53 - 1, "a")]],
    ["placed-without-reservation", [opened(), created, startRequested, placed(3)]],
    ["placed-without-reservation", [opened(), created, startRequested, reserved(4), placed(4, 5)]],
    [
      "started-without-reservation",
      [opened(), created, startRequested, reserved(), placed(4), entry("expired", 4), started(4)],
    ],
    ["running-without-allocation", [...RUNNING, entry("released", 4)]],
    ["guest-state", [...RUNNING, checkpointed(5), checkpointed(5)]],
    ["guest-state", [...RUNNING, checkpointed(5), checkpointed(4)]],
    ["guest-state", [["vm/a", "vm.created", { incarnation: 1, request: {}, checkpoint: {}, parent: null }]]],
    ["guest-state", [...RUNNING, checkpointed(5), environmentChanged(4)]],
    ["guest-state", [...RUNNING, environmentChanged(5, { fence: 3 })]],
    ["guest-state", [...RUNNING, snapshot("s", 5), snapshot("s", 6)]],
    ["guest-state", [...RUNNING, snapshot("s", 5, { fence: 3 })]],
    ["guest-state", [...RUNNING, ...Array.from({ length: 17 }, (_, i) => snapshot(`s${i}`, i))]],
    ["guest-state", [...RUNNING, vm("snapshot-deleted", { snapshotId: "s" })]],
    ["guest-state", [...RUNNING, restored("s", 5)]],
    ["guest-state", [...RUNNING, snapshot("s", 5), restored("s", 6)]],
    [
      "guest-state",
      [...RUNNING, snapshot("s", 5), vm("snapshot-deleted", { snapshotId: "s" }), restored("s", 5)],
    ],
    ["guest-state", [...RUNNING, checkpointed(5, { fence: 3 })]],
    ["guest-state", [...RUNNING, checkpointed(5, { sha256: "" })]],
    ["guest-state", [...RUNNING, checkpointLost("c5")]],
    ["guest-state", [...RUNNING, checkpointed(5), checkpointed(6), checkpointLost("c5")]],
    ["guest-state", [...RUNNING, checkpointed(5), checkpointLost("c5"), checkpointLost("c5")]],
    ["transition", [...WHOLE_LIFE, checkpointed(5)]],
    [
      "running-without-allocation",
      [...RUNNING, vm("resized", { request: {}, allocation: { ribosomes: 5 } })],
    ],
    ["alert", [alert("raised", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("raised", { target: "a" }), alert("raised", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("cleared", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("raised", { target: "a" }), alert("rule-removed", { targets: [] })]],
    ["alert", [alert("rule-set"), notified("nothing")]],
    ["alert", [...RAISED_ALERT, notified("event-2")]],
    [
      "alert",
      [...RAISED_ALERT, alert("retry-requested", { letters: [{ notificationId: "event-2", webhook: "b" }] })],
    ],
  ])("finds a violation of the rule %s", (rule, lines) => {
    expect(verify(lines)).toContain(rule);
  });

  it("accepts an alert that is raised, delivered, retried and cleared", () => {
    const retry = alert("retry-requested", { letters: [{ notificationId: "event-2", webhook: "w" }] });
    const rest = [retry, notified("event-2"), alert("cleared", { target: "a" }), notified("event-6")];
    expect(verify([...RAISED_ALERT, ...rest])).toEqual([]);
    expect(
      verify([...RAISED_ALERT, alert("rule-removed", { targets: ["a"] }), notified("event-4.a")]),
    ).toEqual([]);
  });

  const changed = (seen: string, consequence: string, more: object = {}): Line =>
    vm("observed", { fence: 4, seen, seenAtMs: 5, drift: "accept", consequence, ...more });

  it("accepts a VM that follows changes of its machine", () => {
    const follows = [
      changed("paused", "FOLLOW"),
      changed("resumed", "FOLLOW", { seenAtMs: 6 }),
      changed("moved", "NONE", { seenAtMs: 7 }),
      changed("halted", "FOLLOW", { seenAtMs: 8 }),
      vm("stopped"),
      entry("released", 4),
      changed("deleted", "FOLLOW", { seenAtMs: 9 }),
      vm("destroyed"),
    ];
    expect(verify([...RUNNING, ...follows])).toEqual([]);
    expect(verify([...RUNNING, ...follows.slice(0, 1), vm("resumed")])).toEqual([]);
  });

  it.each<[string, readonly Line[]]>([
    ["a VM follows although its policy is to repair", [changed("paused", "FOLLOW", { drift: "repair" })]],
    ["a VM follows where the table has no transition", [changed("started", "FOLLOW")]],
    ["the change is of another place", [changed("moved", "NONE", { fence: 3 })]],
    [
      "the same change is recorded again too soon",
      [changed("moved", "NONE"), changed("moved", "NONE", { seenAtMs: 60_004 })],
    ],
    ["a VM fails because it was paused", [changed("paused", "FAIL")]],
    ["a VM that preemption has paused resumes", [preempted({ mode: "pause" }), changed("resumed", "FOLLOW")]],
  ])("finds a wrong observation: %s", (_name, lines) => {
    expect(verify([...RUNNING, ...lines])).toContain("observation");
  });

  it("accepts reservations under the same or a newer lease only", () => {
    expect(
      verify([
        opened(10, 5),
        reserved(1, "x"),
        reservedUnder(7, "a"),
        reservedUnder(7, "b"),
        reservedUnder(9, "c"),
      ]),
    ).toEqual([]);
  });

  it("takes a token that was never issued for no token: later reservations are not stale", () => {
    const forged = reservedUnder(2 ** 53 - 1, "x");
    const genuine = Date.parse("2026-01-01T00:00:00.000Z");
    const lines = [opened(10, 5), reservedUnder(genuine - 9, "a"), forged, reservedUnder(genuine, "b")];
    expect(verify(lines)).toEqual(["unissued-token"]);
    expect(verify([...lines, reservedUnder(genuine - 1, "c")])).toEqual(["unissued-token", "stale-proposer"]);
  });

  it("counts events from before the digest chain, unless a chained event of the aggregate precedes them", () => {
    const unchained = (line: Line): Line => [line[0], line[1], line[2], { previous: "" }];
    const [first, second, third] = [created, startRequested, vm("stop-requested")];
    expect(verify([first, unchained(second), unchained(third)])).toEqual([]);
    expect(verify([first, unchained(second), third])).toEqual([]);
    expect(verify([first, second, unchained(third)])).toEqual(["chain"]);
  });

  const PART = { partial: true };
  const poison = (seq: number, digest = "d") => ({
    seq,
    streamSubject: "bioxen.evt.vm.a",
    digest,
    why: "no",
    isNewer: false,
  });

  it("reports an unreadable message with its sequence, and goes on", () => {
    const verifier = new LogVerifier(new Map(), PART);
    verifier.unreadable(poison(12));
    const message = "event 12 on bioxen.evt.vm.a cannot be read: no";
    expect(verifier.report()).toMatchObject({
      lastSeq: 12,
      skipped: 0,
      violations: [{ seq: 12, subject: "bioxen.evt.vm.a", rule: "unreadable", message }],
    });
  });

  it("counts a skipped message as no violation, unless its bytes have changed since", () => {
    const verifier = new LogVerifier(new Map([[12, "d"]]), PART);
    verifier.unreadable(poison(12));
    expect(verifier.report()).toMatchObject({ skipped: 1, lastSeq: 12, violations: [] });
    const changed = new LogVerifier(new Map([[12, "d"]]), PART);
    changed.unreadable(poison(12, "e"));
    expect(changed.report()).toMatchObject({ skipped: 1, violations: [{ seq: 12, rule: "skip" }] });
  });

  it("includes unreadable and skipped messages in the seal", () => {
    const seals = [poison(12), poison(12, "e"), poison(13)].map((message) => {
      const verifier = new LogVerifier();
      verifier.unreadable(message);
      return verifier.seal();
    });
    expect(new Set(seals).size).toBe(3);
  });
});
