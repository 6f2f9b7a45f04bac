/**
 * Formats events as text: what happened, which service decided it, and why.
 */
import {
  type AlertEvent,
  type ChassisEvent,
  COMMAND_PREFIX,
  type DrainEvent,
  type ExperimentEvent,
  type LedgerEvent,
  type LogEvent,
  type QuotaEvent,
  type VmEvent,
  withoutPrincipal,
} from "@bioxen/contracts";
import type { EventEnvelope, UnreadableMessage } from "@bioxen/kernel";
import { amountsLine, duration, rounded, simTime, wallClock } from "../quantities.ts";
import { CAUSES, COMMANDS } from "./event-cause-words.ts";
import { decidedFor } from "./event-principals.ts";

/** A reference to an event of the log, in the form that replies use. */
export interface EventReference {
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
}

type ReportedEvent = Pick<
  EventEnvelope,
  "type" | "data" | "source" | "causationid" | "subject" | "principal" | "onbehalfof"
>;
type DomainEvent =
  | VmEvent
  | LedgerEvent
  | ChassisEvent
  | DrainEvent
  | QuotaEvent
  | AlertEvent
  | LogEvent
  | ExperimentEvent;
type Happened = { readonly [E in DomainEvent as E["type"]]: (data: E["data"]) => string };

const plural = (count: number, what: string) => (count === 1 ? `1 ${what}` : `${count} ${what}s`);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const entriesLine = (entries: readonly { readonly vmId: string; readonly fence: number }[]) =>
  entries.map((e) => `${e.vmId} (#${e.fence})`).join(", ");

const limitsLine = (limits: Readonly<Record<string, number>>) =>
  Object.keys(limits).length === 0 ? "any amount" : `at most ${amountsLine(limits)}`;
const settledLine = (c: {
  readonly vmId: string;
  readonly chassisId: string;
  readonly amounts: Readonly<Record<string, number>> | null;
}) => `${c.vmId} on ${c.chassisId} ${c.amounts === null ? "holds nothing" : amountsLine(c.amounts)}`;

const departureLine = (left: {
  readonly vmId: string;
  readonly toChassisId: string | null;
  readonly reason: string | null;
}) =>
  left.toChassisId === null
    ? `${left.vmId} has left without a new chassis: ${left.reason}`
    : `${left.vmId} moved to ${left.toChassisId}`;

const parentLine = ({ parent, birth, checkpoint }: (VmEvent & { type: "bioxen.vm.created.v1" })["data"]) => {
  if (parent === null) return "";
  if (birth !== undefined)
    return `; born of ${parent} by its division ${birth.division}, ${simTime(birth.simMinute)}`;
  return `; fork of ${parent}, from ${simTime(checkpoint?.simMinutes ?? 0)}`;
};

/** Describes from which minute on the cell has its new amounts; empty without a minute. */
const resizedAt = ({ simMinute, given }: (VmEvent & { type: "bioxen.vm.resized.v1" })["data"]) => {
  if (simMinute === undefined) return "";
  return given === undefined
    ? `, its cell from ${simTime(simMinute)} on`
    : `; its cell has ${amountsLine(given)} from ${simTime(simMinute)} on`;
};

/** Describes the time that a requested stop leaves the guest; empty when that is the guest's default. */
const stopLimit = ({ deadlineMs, force }: (VmEvent & { type: "bioxen.vm.stop-requested.v1" })["data"]) => {
  const withinMs = deadlineMs ?? (force === true ? 0 : undefined);
  if (withinMs === undefined) return "";
  return withinMs === 0 ? ", at once" : `, within ${duration(withinMs)}`;
};

type Observed = (VmEvent & { type: "bioxen.vm.observed.v1" })["data"];

const CONSEQUENCES: Readonly<Record<Observed["consequence"], string>> = {
  NONE: "no consequence",
  REPAIR: "the change is reverted",
  FOLLOW: "the VM adopts the change",
  FAIL: "its guest has ended",
};

const seenLine = ({ seen, fromHost, toHost }: Observed) =>
  seen === "moved"
    ? `moved in its pool from ${fromHost ?? "a host"} to ${toHost ?? "another"}`
    : `${seen} in its pool`;

/**
 * Text for each event type. It shows the fencing token of a ledger entry as `#12`, which is also the number of the
 * event that made the reservation.
 */
const HAPPENED: Happened = {
  "bioxen.vm.created.v1": (d) =>
    `created: ${d.biologicalType} on ${d.vmType}, incarnation ${d.incarnation}, requests ${amountsLine(d.request)}${parentLine(d)}`,
  "bioxen.vm.start-requested.v1": (d) =>
    d.automatic ? "start requested by its restart policy" : "start requested",
  "bioxen.vm.deferred.v1": (d) =>
    `waits: ${d.reasons.map((r) => `${r.chassisId ?? "cluster"}: ${r.message}`).join("; ")}`,
  "bioxen.vm.placed.v1": (d) => `placed on ${d.chassisId} with ${amountsLine(d.allocation)}`,
  "bioxen.vm.started.v1": (d) => (d.paused === true ? "its guest is loaded, paused" : "runs"),
  "bioxen.vm.guest-restarted.v1": (d) => `its guest was restarted: ${d.reason}`,
  "bioxen.vm.paused.v1": () => "paused",
  "bioxen.vm.resumed.v1": () => "resumed",
  "bioxen.vm.stop-requested.v1": (d) => `stop requested${d.destroy ? ", to destroy it" : ""}${stopLimit(d)}`,
  "bioxen.vm.stopped.v1": (d) => `stopped: ${d.reason}`,
  "bioxen.vm.failed.v1": (d) => `failed: ${d.code}: ${d.reason}`,
  "bioxen.vm.displaced.v2": (d) =>
    d.by === undefined
      ? `displaced from ${d.chassisId ?? "its chassis"}: ${d.reason}`
      : `evicted from ${d.chassisId ?? "its chassis"}: ${d.reason}`,
  "bioxen.vm.preempted.v1": (d) =>
    `${d.mode === "starve" ? "starved" : "paused"}: ${d.reason}; keeps ${amountsLine(d.allocation)}`,
  "bioxen.vm.reinstated.v1": (d) => `reinstated: ${d.state}, holds ${amountsLine(d.allocation)} again`,
  "bioxen.vm.resized.v1": (d) =>
    d.allocation === null
      ? `requests ${amountsLine(d.request)}`
      : `resized: holds ${amountsLine(d.allocation)}${resizedAt(d)}`,
  "bioxen.vm.executed.v1": (d) => {
    const at = d.simMinute === undefined ? "" : ` at ${simTime(d.simMinute)}`;
    return `ran a program of ${plural(d.source.length, "character")}${at}: ${d.outcome}`;
  },
  "bioxen.vm.until-reached.v1": (d) => `reached ${simTime(d.simMinute)}, its last minute: ${d.then}`,
  "bioxen.vm.environment-changed.v1": (d) =>
    `its medium changes at ${simTime(d.simMinute)}: ${Object.entries(d.environment)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}`,
  "bioxen.vm.migration-requested.v1": (d) =>
    `migration requested to ${d.toChassisId ?? "another chassis"}: ${d.reason}`,
  "bioxen.vm.migrating.v1": (d) => `has a reservation on ${d.chassisId} and is handed over`,
  "bioxen.vm.moved.v1": (d) => `moved to ${d.chassisId} with ${amountsLine(d.allocation)}`,
  "bioxen.vm.migration-cancelled.v1": (d) => `migration cancelled: ${d.reason}`,
  "bioxen.vm.observed.v1": (d) => `${seenLine(d)}, not by BioXen: ${CONSEQUENCES[d.consequence]}`,
  "bioxen.vm.start-refused.v1": (d) =>
    `try ${d.tries} to start it on ${d.chassisId} was refused: ${d.reason}; ${d.code === "CAPACITY_EXCEEDED" ? "waits for room" : `next try at ${wallClock(d.retryAtMs)}`}`,
  "bioxen.vm.start-progressed.v1": (d) => `its start is at ${(d.permille / 10).toFixed(0)} %`,
  "bioxen.vm.transferred.v1": (d) => `given to ${d.owner}`,
  "bioxen.vm.destroyed.v1": (d) => `destroyed: ${d.reason}`,
  "bioxen.vm.checkpointed.v1": (d) => `its state was stored, at ${simTime(d.simMinutes)} (${d.bytes} bytes)`,
  "bioxen.vm.checkpoint-lost.v1": (d) => `its stored state is lost: ${d.code}: ${d.reason}`,
  "bioxen.vm.snapshotted.v1": (d) =>
    `snapshot ${d.snapshotId} taken, at ${simTime(d.simMinutes)} (${d.bytes} bytes)`,
  "bioxen.vm.snapshot-deleted.v1": (d) => `snapshot ${d.snapshotId} deleted`,
  "bioxen.vm.restored.v1": (d) => `restored from snapshot ${d.snapshotId}, at ${simTime(d.simMinutes)}`,
  "bioxen.ledger.opened.v1": (d) => `opened for ${d.maxVms} VMs, offers ${amountsLine(d.offered)}`,
  "bioxen.ledger.capacity-changed.v1": (d) => `now for ${d.maxVms} VMs, offers ${amountsLine(d.offered)}`,
  "bioxen.ledger.reserved.v1": (d) =>
    `reserved for ${d.reservations.map((r) => `${r.vmId}: ${amountsLine(r.amounts)}`).join("; ")}`,
  "bioxen.ledger.committed.v1": (d) => `allocated to ${entriesLine(d.entries)}`,
  "bioxen.ledger.released.v1": (d) => `released ${entriesLine(d.entries)}: ${d.reason}`,
  "bioxen.ledger.expired.v1": (d) => `expired: ${entriesLine(d.entries)}`,
  "bioxen.ledger.resized.v1": (d) => `${d.vmId} (#${d.fence}) now holds ${amountsLine(d.amounts)}`,
  "bioxen.ledger.fenced.v1": (d) => `fenced: every later change of it takes quota ${d.quota} into account`,
  "bioxen.ledger.closed.v1": () => "closed",
  "bioxen.chassis.registered.v1": (d) =>
    `registered: ${d.chassisType} of agent ${d.agentId}, takes ${plural(d.maxVms, "VM")}`,
  "bioxen.chassis.reconfigured.v1": (d) =>
    `registered again: ${d.chassisType} of agent ${d.agentId}, takes ${plural(d.maxVms, "VM")}`,
  "bioxen.chassis.cordoned.v1": () => "cordoned: accepts no new VMs",
  "bioxen.chassis.uncordoned.v1": () => "uncordoned: accepts new VMs again",
  "bioxen.chassis.removed.v1": () => "removed",
  "bioxen.drain.started.v1": (d) =>
    `started: ${plural(d.vmIds.length, "VM")} to move, ${d.parallelism} at a time`,
  "bioxen.drain.progressed.v1": (d) =>
    [...d.left.map(departureLine), ...d.joined.map((vmId) => `${vmId} must move too`)].join("; "),
  "bioxen.drain.completed.v1": () => "completed: no VM is left",
  "bioxen.drain.given-up.v1": (d) =>
    `given up at its deadline: ${d.remaining.map((r) => `${r.vmId} remains: ${r.reason}`).join("; ")}`,
  "bioxen.drain.cancelled.v1": (d) =>
    `cancelled${d.left.map((left) => `; ${departureLine(left)}`).join("")}${d.uncordons ? "; the chassis accepts VMs again" : ""}`,
  "bioxen.experiment.started.v1": (d) =>
    `started: ${plural(d.vmCount, "VM")} with ${plural(d.rowsPerVm, "row")} each, file ${d.digest.slice(0, 12)}`,
  "bioxen.experiment.progressed.v1": (d) =>
    [
      ...(d.recorded.length > 0 ? [`${plural(d.recorded.length, "VM")} recorded`] : []),
      ...d.failed.map((vm) => `VM ${vm.index + 1} has no result: ${vm.reason}`),
    ].join("; "),
  "bioxen.experiment.cancel-requested.v1": () => "its cancellation was requested",
  "bioxen.experiment.cancelled.v1": () => "cancelled: none of its VMs is left",
  "bioxen.experiment.given-up.v1": (d) => `given up: ${d.reason}`,
  "bioxen.experiment.failed.v1": () => "failed: none of its VMs is left",
  "bioxen.experiment.finished.v1": () => "finished",
  "bioxen.log.skipped.v1": (d) =>
    `skips event ${d.seq} on ${d.subject} (${d.problem}), by ${d.by}: ${d.reason}`,
  "bioxen.log.unskipped.v1": (d) =>
    `takes the skip of event ${d.seq} on ${d.subject} back, by ${d.by}: ${d.reason}`,
  "bioxen.quota.set.v1": (d) => `${d.label} may hold ${limitsLine(d.resources)}`,
  "bioxen.quota.enforced.v1": (d) => `in force, with ${plural(d.charges.length, "charge")}`,
  "bioxen.quota.charged.v1": (d) =>
    `charged for ${d.chassisId}: ${d.charges.map((c) => `${c.vmId}: ${amountsLine(c.amounts)}`).join("; ")}`,
  "bioxen.quota.settled.v1": (d) => `settled: ${d.charges.map(settledLine).join("; ")}`,
  "bioxen.alert.rule-set.v1": (d) =>
    `watches ${d.metric} ${d.above === null ? `below ${d.below}` : `above ${d.above}`} for ${d.forMs} ms, ${d.severity}`,
  "bioxen.alert.rule-removed.v1": (d) => `removed; ${plural(d.targets.length, "alert")} ended`,
  "bioxen.alert.raised.v1": (d) => `${d.severity}: ${d.metric} of ${d.target} is ${rounded(d.value)}`,
  "bioxen.alert.cleared.v1": (d) =>
    d.code === "RECOVERED"
      ? `cleared for ${d.target}: ${d.value === null ? "–" : rounded(d.value)}`
      : `cleared for ${d.target}: ${d.code}`,
  "bioxen.alert.notified.v1": (d) => {
    const failed = d.notifications.flatMap((n) => n.undelivered.map((u) => `${u.webhook}: ${u.reason}`));
    const sent = `notified of ${plural(d.notifications.length, "change")}`;
    return failed.length === 0 ? sent : `${sent}, not accepted by ${failed.join("; ")}`;
  },
  "bioxen.alert.retry-requested.v1": (d) =>
    `${plural(d.letters.length, "dead letter")} to be delivered again`,
  "bioxen.chassis.lost.v1": (d) =>
    `lost: no heartbeat of its agent for ${seconds(d.silentMs)} (limit ${seconds(d.timeoutMs)})`,
  "bioxen.chassis.recovered.v1": (d) => `recovered after ${seconds(d.lostForMs)}: accepts VMs again`,
  "bioxen.chassis.machine-deletion-requested.v1": (d) =>
    `its agent deletes the machine ${d.uuid} of another owner`,
  "bioxen.chassis.machine-deletion-ended.v1": (d) =>
    d.outcome === "DELETED"
      ? `the machine ${d.uuid} of another owner is deleted`
      : `the machine ${d.uuid} of another owner stays: ${d.reason}`,
  "bioxen.chassis.removal-failed.v1": (d) =>
    `the pool keeps the ${d.kind} ${d.uuid} of ${d.vmId} after ${d.tries === 1 ? "1 try" : `${d.tries} tries`}${
      d.nextTryAtMs === null ? ", and a person must remove it" : ""
    }: ${d.reason}`,
  "bioxen.chassis.removal-completed.v1": (d) => `the ${d.kind} ${d.uuid} of ${d.vmId} is gone from the pool`,
};

/** Returns a text that says what happened in the event; for an unknown type, the name of the type and the data. */
export function whatHappened({ type, data }: ReportedEvent): string {
  const words = (HAPPENED as Readonly<Record<string, ((data: never) => string) | undefined>>)[type];
  return words === undefined ? `${nameOf(type)} ${JSON.stringify(data)}` : words(data as never);
}

/** Returns the short name of an event type: `start-requested` for `bioxen.vm.start-requested.v1`. */
function nameOf(type: string): string {
  return type.replace(/^bioxen\.\w+\.|\.v\d+$/g, "");
}

/** Returns the cause of the event as text: another event, a command, or the causation id as it is. */
export function causeOf(event: ReportedEvent, causedBy: EventReference | null): string {
  if (causedBy !== null) return becauseOf(event, causedBy);
  const kind = event.type.replace(/^bioxen\.|\.v\d+$/g, "");
  if (kind === "vm.deferred") return "because the scheduler found no chassis for it";
  if (kind === "ledger.reserved") return "by a plan of the scheduler";
  const cause = withoutPrincipal(event.causationid);
  const colon = cause.indexOf(":");
  if (cause.startsWith(COMMAND_PREFIX) && colon > 0) {
    const command = cause.slice(COMMAND_PREFIX.length, colon);
    return `by command ${command}, message ${cause.slice(colon + 1)}`;
  }
  if (kind === "vm.stop-requested") {
    return (event.data as { destroy?: boolean }).destroy ? "by command vm.destroy" : "by command vm.stop";
  }
  const { parent, birth } = event.data as { readonly parent?: string | null; readonly birth?: object };
  if (kind === "vm.created" && birth !== undefined) return `by a division of ${parent}`;
  if (kind === "vm.created" && parent) return "by command vm.fork";
  const command = COMMANDS[kind];
  return command === undefined ? `by ${event.causationid}` : `by command ${command}`;
}

function becauseOf({ subject }: ReportedEvent, cause: EventReference): string {
  const kind = cause.type.replace(/^bioxen\.|\.v\d+$/g, "");
  const isOwn = cause.subject === subject;
  const past = isOwn && kind === "ledger.reserved" ? "reserved something" : CAUSES[kind];
  const aggregate = isOwn ? "it" : cause.subject.replace("/", " ");
  return `because ${aggregate} ${past ?? nameOf(cause.type)} at #${cause.seq}`;
}

/** Returns the line that `events tail` prints for an event. */
export function eventLine(seq: number, event: ReportedEvent & Pick<EventEnvelope, "time">): string {
  return `#${seq} ${wallClock(Date.parse(event.time))}  ${event.subject} ${whatHappened(event)} [${decidedFor(event)}]`;
}

/** One line for a message of the log that cannot be read. */
export function unreadableLine({ seq, streamSubject, why }: UnreadableMessage): string {
  return `#${seq} ${streamSubject} cannot be read: ${why}`;
}
