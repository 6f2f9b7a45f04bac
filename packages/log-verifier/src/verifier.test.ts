/**
 * Every rule fires on a story that breaks it and keeps silent on one that does not.
 */
import type { EventBody, StoredEvent } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { LogVerifier, type Rule } from "./index.ts";

type Line = readonly [
  subject: string,
  type: string,
  data: unknown,
  changes?: Partial<{ version: number; seq: number; stored: string; previous: string; typeVersion: number }>,
];

const opened = (ribosomes = 10, maxVms = 2): Line => [
  "ledger/c",
  "ledger.opened",
  { chassisType: "ecoli", capacity: { ribosomes }, offered: { ribosomes }, maxVms },
];
const created: Line = ["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: 4 } }];
const asked: Line = ["vm/a", "vm.start-requested", { automatic: false }];
const reserved = (ribosomes = 4, vmId = "a"): Line => [
  "ledger/c",
  "ledger.reserved",
  { planId: "p", reservations: [{ vmId, incarnation: 1, amounts: { ribosomes } }], expiresAtMs: 1 },
];
const under = (proposerToken: number, vmId: string): Line => {
  const [subject, type, data] = reserved(1, vmId);
  return [subject, type, { ...(data as object), proposerToken }];
};
const placed = (fence: number, ribosomes = 4): Line => [
  "vm/a",
  "vm.placed",
  { chassisId: "c", fence, allocation: { ribosomes } },
];
const started = (fence: number): Line => ["vm/a", "vm.started", { fence }];
const entry = (verb: string, fence: number): Line => [
  "ledger/c",
  `ledger.${verb}`,
  { entries: [{ vmId: "a", fence }], reason: "test" },
];
const vm = (verb: string, data: unknown = {}): Line => ["vm/a", `vm.${verb}`, data];
const REGISTERED: Line = ["chassis/c", "chassis.registered", { capacity: { ribosomes: 10 } }];
const chassis = (verb: string): Line => ["chassis/c", `chassis.${verb}`, {}];

const kept = (simMinutes: number, more: object = {}): Line => {
  const record = { checkpointId: `c${simMinutes}`, simMinutes, bytes: 1, sha256: "a".repeat(64) };
  return vm("checkpointed", { fence: 4, ...record, ...more });
};
const lost = (checkpointId: string): Line =>
  vm("checkpoint-lost", { fence: 4, checkpointId, code: "MISSING", reason: "x" });

const snapshot = (snapshotId: string, simMinutes: number, more: object = {}): Line =>
  vm("snapshotted", { snapshotId, ...(kept(simMinutes)[2] as object), ...more });
const restored = (snapshotId: string, simMinutes: number): Line => {
  const { fence: _, ...record } = kept(simMinutes)[2] as { readonly fence: number };
  return vm("restored", { snapshotId, ...record });
};

/** The whole life of one VM; sequences are line numbers. */
const RUNNING: readonly Line[] = [
  opened(),
  created,
  asked,
  reserved(),
  placed(4),
  started(4),
  entry("committed", 4),
];
/** The same after one line more. */
const RUNNING_LATER: readonly Line[] = [
  opened(),
  created,
  asked,
  reserved(),
  placed(5),
  started(5),
  entry("committed", 5),
];
const LIFE: readonly Line[] = [
  ...RUNNING,
  kept(5),
  vm("paused"),
  kept(7),
  lost("c7"),
  vm("resumed"),
  kept(2),
  snapshot("s", 2),
  kept(9),
  restored("s", 2),
  kept(3),
  vm("snapshot-deleted", { snapshotId: "s" }),
  ["ledger/c", "ledger.resized", { vmId: "a", fence: 4, amounts: { ribosomes: 9 } }],
  vm("resized", { request: { ribosomes: 9 }, allocation: { ribosomes: 9 } }),
  vm("stop-requested", { destroy: true }),
  vm("stopped", { reason: "x" }),
  vm("destroyed", { reason: "x" }),
  entry("released", 4),
];

/** A VM of priority 2 that runs, and others that would like to. */
const other = (vmId: string, priority: number): Line => [
  `vm/${vmId}`,
  "vm.created",
  { incarnation: 1, request: { ribosomes: 4 }, priority },
];
const PRESSED: readonly Line[] = [
  opened(),
  ["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: 4 }, priority: 2 }],
  asked,
  reserved(),
  placed(4),
  started(4),
  entry("committed", 4),
  other("urgent", 3),
  other("equal", 2),
];
const FOR_WHOM = { fence: 4, by: "urgent", byPriority: 3, reason: "x" };
const preempted = (more: object): Line =>
  vm("preempted", { mode: "starve", ...FOR_WHOM, allocation: { ribosomes: 1 }, ...more });
const evicted = (more: object): Line => {
  const [subject, type, data] = vm("displaced", { ...FOR_WHOM, chassisId: "c", code: "PREEMPTED", ...more });
  return [subject, type, data, { typeVersion: 2 }];
};
const holding = (ribosomes: number): Line => [
  "ledger/c",
  "ledger.resized",
  { vmId: "a", fence: 4, amounts: { ribosomes } },
];
const reinstated = (state: string): Line =>
  vm("reinstated", { fence: 4, allocation: { ribosomes: 4 }, state });

const alert = (verb: string, data: unknown = {}): Line => ["alert/r", `alert.${verb}`, data];
const told = (notificationId: string, ...webhooks: string[]): Line => {
  const undelivered = webhooks.map((webhook) => ({ webhook, attempts: 1, reason: "x" }));
  return alert("notified", { notifications: [{ notificationId, undelivered }] });
};
/** An event's id is `event-` and its line. */
const TOLD: readonly Line[] = [alert("rule-set"), alert("raised", { target: "a" }), told("event-2", "w")];

function verify(lines: readonly Line[]): Rule[] {
  const verifier = new LogVerifier();
  const versions = new Map<string, number>();
  const digests = new Map<string, string>();
  for (const [i, [subject, type, data, changes]] of lines.entries()) {
    const version = changes?.version ?? (versions.get(subject) ?? 0) + 1;
    versions.set(subject, version);
    const previous = changes?.previous ?? digests.get(subject);
    digests.set(subject, `digest-${i}`);
    const body: EventBody = { type: `bioxen.${type}.v${changes?.typeVersion ?? 1}`, data };
    verifier.observe({
      seq: changes?.seq ?? i + 1,
      streamSubject: changes?.stored ?? `bioxen.evt.${subject.replace("/", ".")}`,
      digest: `digest-${i}`,
      envelope: {
        id: `event-${i + 1}`,
        subject,
        aggregateversion: version,
        ...body,
        ...(previous ? { previoushash: previous } : {}),
      },
    } as StoredEvent);
  }
  return verifier.report().violations.map((violation) => violation.rule);
}

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
