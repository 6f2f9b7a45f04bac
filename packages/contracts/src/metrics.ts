/**
 * Every metric that BioXen's services expose, by its Prometheus name. Tests compare this catalogue with the rules and
 * the dashboard in deploy/observability, and with the metrics that running services expose.
 *
 * Label values come from bounded sets: chassis, resources, states, endpoints, leases, streams, webhooks, quotas,
 * codes and at most 101 principals. The exception is {@link
 * VM_METRICS}, the metrics per VM. They have a separate HTTP path, so that a scraper reads them only when it is
 * configured to.
 */
export interface Metric {
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

const metric = (type: Metric["type"], help: string, ...labels: string[]): Metric => ({ type, help, labels });

/** Metrics that every service exposes. */
export const SERVICE_METRICS = {
  bioxen_build_info: metric("gauge", "Always 1; the label is the release of the service.", "version"),
  bioxen_appends_total: metric(
    "counter",
    "Events that the service tried to append; conflict: another writer was first, and the service decided again.",
    "result",
  ),
  bioxen_ready: metric("gauge", "1 while the service has caught up with the log and answers."),
  bioxen_log_applied_sequence: metric("gauge", "Sequence of the last event that was applied."),
  bioxen_log_lag_events: metric("gauge", "Stored events that are not applied yet."),
  bioxen_requests_total: metric(
    "counter",
    "Answered requests by endpoint and code; code OK for success.",
    "endpoint",
    "code",
  ),
  bioxen_request_duration_seconds: metric("histogram", "Time from a request to its reply.", "endpoint"),
  bioxen_requests_under_way: metric("gauge", "Requests that are being carried out, by lane.", "lane"),
  bioxen_requests_waiting: metric("gauge", "Requests that wait for a place, by lane.", "lane"),
  bioxen_requests_refused_total: metric(
    "counter",
    "Requests that were refused because a lane was full or a caller had more than its share.",
    "lane",
    "code",
  ),
  bioxen_principal_refusals_total: metric(
    "counter",
    "Requests that were refused for their caller: it may not do this (FORBIDDEN), or it sent too much (RATE_LIMITED).",
    "principal",
    "code",
  ),
  bioxen_requests_dropped_total: metric(
    "counter",
    "Messages without an answer: their reply subject is no inbox, or there were too many discoveries.",
    "reason",
  ),
  bioxen_connection_losses_total: metric(
    "counter",
    "Losses of a connection for requests. The server cuts one that is read too slowly, and drops its messages.",
    "connection",
  ),
  bioxen_lease_held: metric(
    "gauge",
    "1 while this process holds the lease, 0 while it contends for it.",
    "lease",
  ),
  bioxen_snapshot_sequence: metric("gauge", "Sequence of the last event in the newest snapshot."),
  bioxen_snapshot_age_seconds: metric("gauge", "Time since the newest snapshot was taken."),
} as const satisfies Record<string, Metric>;

/** Metrics about all of BioXen instead of one process, exposed by one service: quotas by the allocator, the rest by the monitor. */
export const FLEET_METRICS = {
  bioxen_vms: metric("gauge", "VMs by state; destroyed ones are not counted.", "state"),
  bioxen_vms_impaired: metric("gauge", "VMs with reduced health, by reason.", "reason"),
  bioxen_vm_growth_lowest_ratio: metric(
    "gauge",
    "Growth of the slowest VM relative to the reference rate of its type.",
  ),
  bioxen_vm_pending_oldest_seconds: metric(
    "gauge",
    "Waiting time of the VM that has waited longest for a place.",
  ),
  bioxen_vm_start_duration_seconds: metric(
    "histogram",
    "Time from a start request to a running guest, since the monitor started.",
  ),
  bioxen_fleet_health_ratio: metric("gauge", "Mean health of all measured VMs."),
  bioxen_fleet_fairness_ratio: metric(
    "gauge",
    "Jain's index over granted shares; 1 when all shares are equal.",
  ),
  bioxen_chassis_offered: metric(
    "gauge",
    "Amount of a resource that a chassis offers.",
    "chassis",
    "resource",
  ),
  bioxen_chassis_reserved: metric(
    "gauge",
    "Amount of a resource that the ledger of a chassis holds.",
    "chassis",
    "resource",
  ),
  bioxen_chassis_guests: metric("gauge", "Guests that run on a chassis.", "chassis"),
  bioxen_chassis_heartbeat_age_seconds: metric(
    "gauge",
    "Time since the last heartbeat of a chassis.",
    "chassis",
  ),
  bioxen_chassis_rivals: metric(
    "gauge",
    "Processes that want to run a chassis in addition to the one that does.",
    "chassis",
  ),
  bioxen_chassis_orphans: metric("gauge", "Machines in a pool that do not belong to its agent.", "chassis"),
  bioxen_chassis_left_behind: metric(
    "gauge",
    "Objects in a pool that its agent was to remove and no longer tries to remove.",
    "chassis",
  ),
  bioxen_telemetry_samples_received_total: metric("counter", "Samples that arrived.", "chassis"),
  bioxen_telemetry_samples_lost_total: metric("counter", "Samples that never arrived.", "chassis"),
  bioxen_alerts_active: metric("gauge", "Active alerts by severity.", "severity"),
  bioxen_webhook_deliveries_total: metric(
    "counter",
    "Deliveries of notifications. taken: the webhook took it; failed: an attempt that is repeated; given_up: no further attempt follows.",
    "webhook",
    "result",
  ),
  bioxen_quota_limit: metric("gauge", "Limit of a resource in a quota.", "quota", "resource"),
  bioxen_quota_used: metric("gauge", "Amount that is charged to a limit of a quota.", "quota", "resource"),
  bioxen_jobs_waiting: metric("gauge", "Durable commands without an outcome, those under way included."),
  bioxen_jobs_failed: metric("gauge", "Dead letters: durable commands that failed and were not dropped."),
  bioxen_stream_bytes: metric("gauge", "Size of a stream on the server. A bucket is a stream too.", "stream"),
  bioxen_stream_messages: metric("gauge", "Messages in a stream on the server.", "stream"),
  bioxen_stream_limit_bytes: metric(
    "gauge",
    "Largest size of a stream; absent when the disk is the limit.",
    "stream",
  ),
} as const satisfies Record<string, Metric>;

/** Labels of a series per VM: `type` is the biological type, `chassis` the chassis that sent the last sample. */
const VM_LABELS = ["vm", "type", "chassis"] as const;

/** Metrics per VM, exposed by the monitor under `/metrics/vms`: one series per VM. */
export const VM_METRICS = {
  bioxen_vm_growth_ratio: metric("gauge", "Growth relative to the reference rate of the type.", ...VM_LABELS),
  bioxen_vm_health_ratio: metric("gauge", "Health, 0 to 1.", ...VM_LABELS),
  bioxen_vm_lag_seconds: metric("gauge", "Simulated time by which the host is behind.", ...VM_LABELS),
} as const satisfies Record<string, Metric>;

export const METRICS = { ...SERVICE_METRICS, ...FLEET_METRICS, ...VM_METRICS } as const;
export type MetricName = keyof typeof METRICS;

/** Variable with the path of the file that holds the bearer token of a service's monitoring port. */
export const METRICS_TOKEN_SETTING = "BIOXEN_METRICS_TOKEN_FILE";

/**
 * Labels whose values come from BioXen itself. All others hold ids, or names that users chose: the chassis, the quota,
 * the webhook, the principal, the VM, and the lease, which can name an agent.
 */
const PUBLIC_LABELS: readonly string[] = [
  "version",
  "result",
  "endpoint",
  "code",
  "lane",
  "reason",
  "connection",
  "state",
  "severity",
  "stream",
  "resource",
];

/**
 * True for a metric without ids and names in its labels. True also for the process metrics of every Node.js service,
 * which are not in the catalogue.
 */
export function isPublicMetric(name: string): boolean {
  if (!(name in METRICS)) return true;
  return METRICS[name as MetricName].labels.every((label) => PUBLIC_LABELS.includes(label));
}

/** The values of one metric, as a service measures them at one scrape. */
export interface Measurement {
  readonly metric: MetricName;
  readonly values: readonly MeasuredValue[];
}

export interface MeasuredValue {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Only for a histogram: the series that the value belongs to. */
  readonly series?: "bucket" | "sum" | "count";
}
