/**
 * A short notation for the logs of the verifier's tests, and a function that returns the rules that such a log
 * violates.
 */
import type { EventBody, StoredEvent } from "@bioxen/kernel";
import { LogVerifier, type Rule } from "./index.ts";

/** One event of a test log. `changes` overrides the fields that {@link verify} would derive. */
export type Line = readonly [
  subject: string,
  type: string,
  data: unknown,
  changes?: Partial<{ version: number; seq: number; stored: string; previous: string; typeVersion: number }>,
];

export const opened = (ribosomes = 10, maxVms = 2): Line => [
  "ledger/c",
  "ledger.opened",
  { chassisType: "ecoli", capacity: { ribosomes }, offered: { ribosomes }, maxVms },
];
export const created: Line = ["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: 4 } }];
export const startRequested: Line = ["vm/a", "vm.start-requested", { automatic: false }];
export const reserved = (ribosomes = 4, vmId = "a"): Line => [
  "ledger/c",
  "ledger.reserved",
  { planId: "p", reservations: [{ vmId, incarnation: 1, amounts: { ribosomes } }], expiresAtMs: 1 },
];
export const reservedUnder = (proposerToken: number, vmId: string): Line => {
  const [subject, type, data] = reserved(1, vmId);
  return [subject, type, { ...(data as object), proposerToken }];
};
export const placed = (fence: number, ribosomes = 4): Line => [
  "vm/a",
  "vm.placed",
  { chassisId: "c", fence, allocation: { ribosomes } },
];
export const started = (fence: number): Line => ["vm/a", "vm.started", { fence }];
export const entry = (verb: string, fence: number): Line => [
  "ledger/c",
  `ledger.${verb}`,
  { entries: [{ vmId: "a", fence }], reason: "test" },
];
export const vm = (verb: string, data: unknown = {}): Line => ["vm/a", `vm.${verb}`, data];
export const REGISTERED: Line = ["chassis/c", "chassis.registered", { capacity: { ribosomes: 10 } }];
export const chassis = (verb: string, data: object = {}): Line => ["chassis/c", `chassis.${verb}`, data];

export const checkpointed = (simMinutes: number, more: object = {}): Line => {
  const record = { checkpointId: `c${simMinutes}`, simMinutes, bytes: 1, sha256: "a".repeat(64) };
  return vm("checkpointed", { fence: 4, ...record, ...more });
};
export const checkpointLost = (checkpointId: string): Line =>
  vm("checkpoint-lost", { fence: 4, checkpointId, code: "MISSING", reason: "x" });

export const environmentChanged = (simMinute: number, more: object = {}): Line =>
  vm("environment-changed", { fence: 4, simMinute, environment: { substrate: 1 }, ...more });

/** A resize to the amounts that the ledger holds already. */
export const resizedAt = (simMinute: number, more: object = {}): Line =>
  vm("resized", { request: { ribosomes: 4 }, allocation: { ribosomes: 4 }, simMinute, ...more });

export const snapshot = (snapshotId: string, simMinutes: number, more: object = {}): Line =>
  vm("snapshotted", { snapshotId, ...(checkpointed(simMinutes)[2] as object), ...more });
export const restored = (snapshotId: string, simMinutes: number): Line => {
  const { fence: _, ...record } = checkpointed(simMinutes)[2] as { readonly fence: number };
  return vm("restored", { snapshotId, ...record });
};

/** VM `a` runs on chassis `c` under fence 4. The sequence of an event is its line number. */
export const RUNNING: readonly Line[] = [
  opened(),
  created,
  startRequested,
  reserved(),
  placed(4),
  started(4),
  entry("committed", 4),
];
/** The events of {@link RUNNING} for a log with one line before them: the reservation is line 5, so its fence is 5. */
export const RUNNING_LATER: readonly Line[] = [
  opened(),
  created,
  startRequested,
  reserved(),
  placed(5),
  started(5),
  entry("committed", 5),
];
export const toMove: Line = vm("migration-requested", { toChassisId: null });
export const onTarget = (verb: string): Line =>
  vm(verb, { chassisId: "d", fence: 11, allocation: { ribosomes: 4 } });
export const entryOn = (chassisId: string, verb: string, fence: number): Line => [
  `ledger/${chassisId}`,
  `ledger.${verb}`,
  { entries: [{ vmId: "a", fence }], reason: "test" },
];
/** The VM runs on `c` (fence 4) and has a reservation on `d` (fence 11). */
export const MOVING: readonly Line[] = [
  ...RUNNING,
  [
    "ledger/d",
    "ledger.opened",
    { chassisType: "ecoli", capacity: {}, offered: { ribosomes: 10 }, maxVms: 2 },
  ],
  toMove,
  vm("deferred", { reasons: [] }),
  [
    "ledger/d",
    "ledger.reserved",
    { planId: "p", reservations: [{ vmId: "a", incarnation: 1, amounts: { ribosomes: 4 } }], expiresAtMs: 1 },
  ],
  onTarget("migrating"),
];
/** The log of a VM from its creation to its destruction, with every kind of guest state. */
export const WHOLE_LIFE: readonly Line[] = [
  ...RUNNING,
  checkpointed(5),
  vm("paused"),
  checkpointed(7),
  checkpointLost("c7"),
  vm("resumed"),
  checkpointed(2),
  snapshot("s", 2),
  checkpointed(9),
  restored("s", 2),
  checkpointed(3),
  vm("snapshot-deleted", { snapshotId: "s" }),
  ["ledger/c", "ledger.resized", { vmId: "a", fence: 4, amounts: { ribosomes: 9 } }],
  vm("resized", { request: { ribosomes: 9 }, allocation: { ribosomes: 9 } }),
  vm("stop-requested", { destroy: true }),
  vm("stopped", { reason: "x" }),
  vm("destroyed", { reason: "x" }),
  entry("released", 4),
];

const other = (vmId: string, priority: number): Line => [
  `vm/${vmId}`,
  "vm.created",
  { incarnation: 1, request: { ribosomes: 4 }, priority },
];
/** A VM of priority 2 runs; VMs of higher and of equal priority exist. */
export const WITH_RIVALS: readonly Line[] = [
  opened(),
  ["vm/a", "vm.created", { incarnation: 1, request: { ribosomes: 4 }, priority: 2 }],
  startRequested,
  reserved(),
  placed(4),
  started(4),
  entry("committed", 4),
  other("urgent", 3),
  other("equal", 2),
];
const FOR_URGENT = { fence: 4, by: "urgent", byPriority: 3, reason: "x" };
export const preempted = (more: object): Line =>
  vm("preempted", { mode: "starve", ...FOR_URGENT, allocation: { ribosomes: 1 }, ...more });
export const evicted = (more: object): Line => {
  const [subject, type, data] = vm("displaced", {
    ...FOR_URGENT,
    chassisId: "c",
    code: "PREEMPTED",
    ...more,
  });
  return [subject, type, data, { typeVersion: 2 }];
};
export const entryResized = (ribosomes: number): Line => [
  "ledger/c",
  "ledger.resized",
  { vmId: "a", fence: 4, amounts: { ribosomes } },
];
export const reinstated = (state: string): Line =>
  vm("reinstated", { fence: 4, allocation: { ribosomes: 4 }, state });

export const alert = (verb: string, data: unknown = {}): Line => ["alert/r", `alert.${verb}`, data];
export const notified = (notificationId: string, ...webhooks: string[]): Line => {
  const undelivered = webhooks.map((webhook) => ({ webhook, attempts: 1, reason: "x" }));
  return alert("notified", { notifications: [{ notificationId, undelivered }] });
};
/**
 * An alert was raised and its notification delivered, except to webhook `w`. The id of an event is `event-` followed by
 * its line number.
 */
export const RAISED_ALERT: readonly Line[] = [
  alert("rule-set"),
  alert("raised", { target: "a" }),
  notified("event-2", "w"),
];

/** The time of every event of a test log. */
const VERIFIED_AT = "2026-01-01T00:00:00.000Z";

/** Returns the rules that the verifier finds violated in a log of these lines. */
export function verify(lines: readonly Line[]): Rule[] {
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
        time: VERIFIED_AT,
        subject,
        aggregateversion: version,
        ...body,
        ...(previous ? { previoushash: previous } : {}),
      },
    } as StoredEvent);
  }
  return verifier.report().violations.map((violation) => violation.rule);
}
