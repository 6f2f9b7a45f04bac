/**
 * Subjects and streams: the one catalogue. Nothing else in the tree writes a subject by hand.
 */
export const EVENT_STREAM = "BIOXEN_EVENTS";
export const EVENT_SUBJECTS = "bioxen.evt.>";

/** Kinds of aggregate, the token after `bioxen.evt.`. */
export const AGGREGATE_KINDS = ["vm", "ledger", "chassis"] as const;
export type AggregateKind = (typeof AGGREGATE_KINDS)[number];

export function eventSubject(kind: AggregateKind, id: string): string {
  return `bioxen.evt.${kind}.${id}`;
}

export function vmTelemetrySubject(vmId: string): string {
  return `bioxen.tel.vm.${vmId}`;
}
export function chassisTelemetrySubject(chassisId: string): string {
  return `bioxen.tel.chassis.${chassisId}`;
}
export function vmLogSubject(vmId: string): string {
  return `bioxen.log.vm.${vmId}`;
}
export const ALL_VM_TELEMETRY = "bioxen.tel.vm.*";
export const ALL_CHASSIS_TELEMETRY = "bioxen.tel.chassis.*";

/** An agent's own inbox: what lifecycle forwards to the process that runs the guest. */
export function agentExecSubject(agentId: string): string {
  return `bioxen.agent.${agentId}.exec`;
}

/** How the event stream must be; drift is repaired at boot where the server allows it, else refused. */
export const EVENT_STREAM_CONFIG = {
  name: EVENT_STREAM,
  subjects: [EVENT_SUBJECTS],
  description:
    "Every decision of every BioXen aggregate, in order; state is the fold of this and of nothing else",
  retention: "limits",
  storage: "file",
  discard: "new",
  max_age: 0,
  max_msgs: -1,
  max_bytes: -1,
  max_msgs_per_subject: -1,
  allow_direct: true,
  deny_delete: true,
  deny_purge: true,
  /** Nanoseconds; the contract's idempotency window. */
  duplicate_window: 120_000_000_000,
} as const;
