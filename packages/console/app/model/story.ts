/**
 * Events in words: what happened, for a reader who knows the domain but not the schema.
 */
import type { Amounts, LogEvent } from "./types.ts";
import { verbOf } from "./vm-events.ts";
import { amountsLine, simTime, span } from "./words.ts";

type Data = Readonly<Record<string, unknown>>;
const text = (value: unknown) => (value === undefined || value === null ? "" : String(value));
const because = (reason: unknown) => (text(reason) === "" ? "" : `: ${text(reason)}`);
const amounts = (value: unknown) => amountsLine((value ?? {}) as Amounts);
const names = (value: unknown) =>
  (Array.isArray(value) ? (value as { vmId?: unknown }[]) : [])
    .map(({ vmId }) => text(vmId))
    .filter(Boolean)
    .join(", ");

const VM: Readonly<Record<string, (d: Data) => string>> = {
  created: (d) =>
    `created as ${text(d["biologicalType"])} (${text(d["vmType"])}), requests ${amounts(d["request"])}`,
  "start-requested": (d) =>
    d["automatic"] === true ? "start requested by its restart policy" : "start requested",
  deferred: (d) =>
    `waits for a place: ${((d["reasons"] ?? []) as { chassisId: string | null; message: string }[]).map((r) => `${r.chassisId ?? "cluster"}: ${r.message}`).join("; ")}`,
  placed: (d) => `placed on ${text(d["chassisId"])} with ${amounts(d["allocation"])}`,
  started: (d) => (d["paused"] === true ? "its guest is loaded, paused" : "runs"),
  "start-refused": (d) => `${text(d["chassisId"])} refused the start${because(d["reason"])}`,
  "start-progressed": (d) => `start is at ${Number(d["permille"]) / 10} %`,
  "guest-restarted": (d) => `its guest was restarted${because(d["reason"])}`,
  paused: () => "paused",
  resumed: () => "resumed",
  "stop-requested": (d) => (d["destroy"] === true ? "destruction requested" : "stop requested"),
  stopped: (d) => `stopped${because(d["reason"])}`,
  failed: (d) => `failed, ${text(d["code"])}${because(d["reason"])}`,
  displaced: (d) => `lost its place on ${text(d["chassisId"])}${because(d["reason"])}`,
  preempted: (d) => `gave up resources for ${text(d["by"])} (${text(d["mode"])})${because(d["reason"])}`,
  reinstated: (d) => `has its full request again: ${amounts(d["allocation"])}`,
  resized: (d) => `resized to ${amounts(d["allocation"] ?? d["request"])}`,
  "environment-changed": (d) =>
    `medium from ${simTime(Number(d["simMinute"]))} on: ${pairs(d["environment"])}`,
  executed: (d) => `a program ran, outcome ${text(d["outcome"])}`,
  transferred: (d) => `given to ${text(d["owner"])}`,
  destroyed: (d) => `destroyed${because(d["reason"])}`,
  checkpointed: (d) => `state stored at ${simTime(Number(d["simMinutes"] ?? 0))}`,
  "checkpoint-lost": (d) => `its stored state is lost${because(d["reason"])}`,
  snapshotted: (d) => `snapshot ${text(d["snapshotId"])} taken`,
  "snapshot-deleted": (d) => `snapshot ${text(d["snapshotId"])} deleted`,
  restored: (d) => `restored to snapshot ${text(d["snapshotId"])}`,
  "migration-requested": (d) =>
    `move to ${text(d["toChassisId"]) || "any chassis"} requested${because(d["reason"])}`,
  migrating: (d) => `moves to ${text(d["chassisId"] ?? d["toChassisId"])}`,
  moved: (d) => `moved to ${text(d["chassisId"] ?? d["toChassisId"])}`,
  "migration-cancelled": (d) => `move cancelled${because(d["reason"])}`,
  "until-reached": () => "reached its last minute",
  observed: (d) => `${text(d["seen"])} in its pool by another tool`,
};

const OTHER: Readonly<Record<string, (d: Data) => string>> = {
  "ledger.opened": (d) => `ledger opened, offers ${amounts(d["offered"] ?? d["capacity"])}`,
  "ledger.reserved": (d) => `reserved for ${names(d["entries"] ?? d["reservations"])}`,
  "ledger.committed": (d) => `confirmed for ${names(d["entries"])}`,
  "ledger.released": (d) => `released by ${names(d["entries"])}`,
  "ledger.expired": (d) => `reservation expired of ${names(d["entries"])}`,
  "ledger.resized": (d) => `resized for ${text(d["vmId"])}`,
  "ledger.closed": () => "ledger closed",
  "chassis.registered": (d) => `registered as ${text(d["chassisType"])} by agent ${text(d["agentId"])}`,
  "chassis.reconfigured": (d) => `registered again by agent ${text(d["agentId"])} with other values`,
  "chassis.cordoned": () => "closed to new VMs",
  "chassis.uncordoned": () => "open to new VMs again",
  "chassis.removed": () => "removed",
  "chassis.lost": (d) => `lost: no heartbeat for ${span(Number(d["silentMs"]))}`,
  "chassis.recovered": (d) => `recovered after ${span(Number(d["lostForMs"]))}`,
  "drain.started": () => "drain started",
  "drain.progressed": () => "drain progressed",
  "drain.completed": () => "drain completed",
  "drain.cancelled": () => "drain cancelled",
  "drain.given-up": () => "drain given up at its deadline",
  "quota.set": (d) => `limit set: ${amounts(d["resources"]) || "none"}`,
  "alert.raised": (d) => `alert raised for ${text(d["target"])} at ${text(d["value"])}`,
  "alert.cleared": (d) => `alert cleared for ${text(d["target"])}`,
  "alert.rule-set": () => "rule set",
  "alert.rule-removed": () => "rule removed",
  "experiment.started": () => "experiment started",
  "experiment.progressed": () => "results stored",
  "experiment.finished": () => "experiment finished",
  "experiment.cancelled": () => "experiment cancelled",
  "experiment.failed": (d) => `experiment failed${because(d["reason"])}`,
  "log.skipped": (d) => `message #${text(d["seq"])} is skipped${because(d["reason"])}`,
};

function pairs(value: unknown): string {
  return Object.entries((value ?? {}) as Data)
    .map(([name, one]) => `${name} ${text(one)}`)
    .join(", ");
}

/** What happened, without the name of the aggregate. */
export function whatHappened({ type, data }: Pick<LogEvent, "type" | "data">): string {
  const [, kind = "", verb = ""] = type.split(".");
  const words = kind === "vm" ? VM[verb] : OTHER[`${kind}.${verb}`];
  return words?.(data) ?? verbOf(type).replaceAll("-", " ");
}

/** Kind and id of the aggregate of an event. */
export function aggregateOf({ subject }: Pick<LogEvent, "subject">): {
  readonly kind: string;
  readonly id: string;
} {
  const slash = subject.indexOf("/");
  return { kind: subject.slice(0, slash), id: subject.slice(slash + 1) };
}

/** Who decided the event: the principal, or a service on behalf of one. */
export function decidedBy({ principal, onbehalfof }: Pick<LogEvent, "principal" | "onbehalfof">): string {
  if (principal === undefined) return "";
  return onbehalfof === undefined ? principal : `${principal} for ${onbehalfof}`;
}
