/**
 * Every rule fires on a story that breaks it and keeps silent on one that does not.
 */
import { describe, expect, it } from "vitest";
import { LogVerifier, type Rule } from "./index.ts";
import {
  alert,
  asked,
  chassis,
  created,
  entry,
  entryOn,
  evicted,
  holding,
  kept,
  LIFE,
  type Line,
  lost,
  MOVING,
  opened,
  PRESSED,
  placed,
  preempted,
  REGISTERED,
  RUNNING,
  RUNNING_LATER,
  reinstated,
  reserved,
  restored,
  snapshot,
  started,
  TOLD,
  there,
  told,
  toMove,
  under,
  verify,
  vm,
} from "./testing.ts";

describe("the verifier", () => {
  it("finds nothing wrong with a life, whole or cut at any point after it runs", () => {
    for (let length = 0; length <= LIFE.length; length += 1)
      expect(verify(LIFE.slice(0, length))).toEqual([]);
  });

  it("knows a displacement in both versions", () => {
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

  it("finds nothing wrong with what gives way, and gets it back", () => {
    for (const mode of ["starve", "pause"]) {
      const state = mode === "pause" ? "running" : "paused";
      const userPaused = mode === "pause" ? [] : [vm("paused")];
      const story = [...PRESSED, preempted({ mode }), holding(1), ...userPaused, holding(4)];
      expect(verify([...story, reinstated(state)])).toEqual([]);
      expect(
        verify([...story, vm("resized", { request: { ribosomes: 4 }, allocation: { ribosomes: 4 } })]),
      ).toEqual([]);
    }
    const held = [...PRESSED, preempted({ mode: "pause" }), vm("paused"), holding(1), holding(4)];
    expect(verify([...held, reinstated("paused")])).toEqual([]);
    expect(verify([...PRESSED, evicted({}), entry("released", 4)])).toEqual([]);
  });

  it("a chassis is lost and recovers, and only a lost one displaces", () => {
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

  it("a VM moves while it runs, or stays", () => {
    expect(
      verify([...MOVING, there("moved"), started(11), entryOn("d", "committed", 11), entry("released", 4)]),
    ).toEqual([]);
    expect(
      verify([...MOVING, there("moved"), started(11), entryOn("d", "committed", 11)]),
      "not given back yet",
    ).toEqual([]);
    expect(verify([...MOVING, vm("migration-cancelled"), entryOn("d", "released", 11)])).toEqual([]);
    expect(
      verify([...MOVING, vm("stop-requested", { destroy: false }), vm("stopped"), entry("released", 4)]),
    ).toEqual([]);
  });

  it("a start may leave its guest paused", () => {
    const paused: Line = ["vm/a", "vm.started", { fence: 4, paused: true }];
    const life = [...RUNNING.slice(0, 5), paused, entry("committed", 4)];
    expect(verify([...life, vm("resumed")])).toEqual([]);
    expect(verify([...life, vm("paused")])).toEqual(["preemption"]);
  });

  it.each<[Rule, readonly Line[]]>([
    ["preemption", [...PRESSED, preempted({ byPriority: 2 })]],
    ["preemption", [...PRESSED, preempted({ by: "nobody" })]],
    ["preemption", [...PRESSED, evicted({ by: "equal", byPriority: 2 })]],
    ["preemption", [...PRESSED, evicted({ by: "nobody" }), entry("released", 4)]],
    ["preemption", [...PRESSED, preempted({ allocation: { ribosomes: 5 } })]],
    ["preemption", [...PRESSED, preempted({ allocation: { ribosomes: 4 } })]],
    ["preemption", [...PRESSED, preempted({ mode: "pause" }), vm("resumed")]],
    ["preemption", [...PRESSED, preempted({ mode: "pause" }), vm("paused"), vm("paused")]],
    ["preemption", [...PRESSED, vm("paused"), vm("paused")]],
    ["preemption", [...PRESSED, reinstated("running")]],
    ["reinstated-without-room", [...PRESSED, preempted({}), reinstated("running")]],
    ["reinstated-without-room", [...PRESSED, preempted({}), holding(1), reinstated("running")]],
    ["transition", [created, preempted({})]],
    ["move", [...RUNNING, vm("migration-cancelled")]],
    ["move", [...RUNNING, toMove, toMove]],
    ["move", [...RUNNING, vm("migration-requested", { toChassisId: "c" })]],
    ["move", [...RUNNING, there("migrating")]],
    ["move", [...MOVING.slice(0, -2), there("migrating")]],
    ["move", [...MOVING.slice(0, -1), there("moved")]],
    ["move", [...MOVING, entryOn("d", "released", 11), there("moved")]],
    ["move", [...RUNNING, vm("deferred", { reasons: [] })]],
    ["transition", [created, toMove]],
    ["chassis-transition", [chassis("lost")]],
    ["chassis-transition", [REGISTERED, chassis("recovered")]],
    ["chassis-transition", [REGISTERED, chassis("lost"), chassis("lost")]],
    ["chassis-transition", [REGISTERED, REGISTERED]],
    ["sequence", [opened(), [...created.slice(0, 3), { seq: 1 }] as unknown as Line]],
    ["version", [[...created.slice(0, 3), { version: 2 }] as unknown as Line]],
    ["subject", [[...created.slice(0, 3), { stored: "bioxen.evt.vm.b" }] as unknown as Line]],
    ["chain", [[...created.slice(0, 3), { previous: "x" }] as unknown as Line]],
    ["chain", [created, [...asked.slice(0, 3), { previous: "x" }] as unknown as Line]],
    ["transition", [created, started(1)]],
    ["transition", [created, created]],
    ["transition", [...LIFE, vm("paused")]],
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
    ["stale-proposer", [opened(), under(8, "a"), under(7, "b")]],
    ["stale-proposer", [opened(), under(8, "a"), reserved(1, "b")]],
    ["placed-without-reservation", [opened(), created, asked, placed(3)]],
    ["placed-without-reservation", [opened(), created, asked, reserved(4), placed(4, 5)]],
    [
      "started-without-reservation",
      [opened(), created, asked, reserved(), placed(4), entry("expired", 4), started(4)],
    ],
    ["running-without-allocation", [...RUNNING, entry("released", 4)]],
    ["guest-state", [...RUNNING, kept(5), kept(5)]],
    ["guest-state", [...RUNNING, kept(5), kept(4)]],
    ["guest-state", [["vm/a", "vm.created", { incarnation: 1, request: {}, checkpoint: {}, parent: null }]]],
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
    ["guest-state", [...RUNNING, kept(5, { fence: 3 })]],
    ["guest-state", [...RUNNING, kept(5, { sha256: "" })]],
    ["guest-state", [...RUNNING, lost("c5")]],
    ["guest-state", [...RUNNING, kept(5), kept(6), lost("c5")]],
    ["guest-state", [...RUNNING, kept(5), lost("c5"), lost("c5")]],
    ["transition", [...LIFE, kept(5)]],
    [
      "running-without-allocation",
      [...RUNNING, vm("resized", { request: {}, allocation: { ribosomes: 5 } })],
    ],
    ["alert", [alert("raised", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("raised", { target: "a" }), alert("raised", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("cleared", { target: "a" })]],
    ["alert", [alert("rule-set"), alert("raised", { target: "a" }), alert("rule-removed", { targets: [] })]],
    ["alert", [alert("rule-set"), told("nothing")]],
    ["alert", [...TOLD, told("event-2")]],
    [
      "alert",
      [...TOLD, alert("retry-requested", { letters: [{ notificationId: "event-2", webhook: "b" }] })],
    ],
  ])("%s is found", (rule, lines) => {
    expect(verify(lines)).toContain(rule);
  });

  it("finds nothing wrong with an alert that is raised, told, told again and cleared", () => {
    const retry = alert("retry-requested", { letters: [{ notificationId: "event-2", webhook: "w" }] });
    const rest = [retry, told("event-2"), alert("cleared", { target: "a" }), told("event-6")];
    expect(verify([...TOLD, ...rest])).toEqual([]);
    expect(verify([...TOLD, alert("rule-removed", { targets: ["a"] }), told("event-4.a")])).toEqual([]);
  });

  const changed = (seen: string, consequence: string, more: object = {}): Line =>
    vm("observed", { fence: 4, seen, seenAtMs: 5, drift: "accept", consequence, ...more });

  it("finds nothing wrong with a VM that follows what others make of its machine", () => {
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
    ["a VM follows though its policy repairs", [changed("paused", "FOLLOW", { drift: "repair" })]],
    ["a VM follows where there is no way", [changed("started", "FOLLOW")]],
    ["of another place", [changed("moved", "NONE", { fence: 3 })]],
    ["the same again too soon", [changed("moved", "NONE"), changed("moved", "NONE", { seenAtMs: 60_004 })]],
    ["it fails of being paused", [changed("paused", "FAIL")]],
    ["what preemption holds goes on", [preempted({ mode: "pause" }), changed("resumed", "FOLLOW")]],
  ])("a wrong observation is found: %s", (_name, lines) => {
    expect(verify([...RUNNING, ...lines])).toContain("observation");
  });

  it("leases may go on, and only upwards", () => {
    expect(verify([opened(10, 5), reserved(1, "x"), under(7, "a"), under(7, "b"), under(9, "c")])).toEqual(
      [],
    );
  });

  it("an unreadable event is a violation with its sequence", () => {
    const verifier = new LogVerifier();
    verifier.unreadable(12, "no");
    expect(verifier.report().violations).toEqual([
      { seq: 12, subject: "", rule: "unreadable", message: "no" },
    ]);
  });
});
