/**
 * Every metric that BioXen's services expose, by its Prometheus name. The rules and the dashboard in deploy/observability are held to it by
 * a test, and so is what the services really expose.
 *
 * Labels are bounded: chassis, resources, states, endpoints and codes. What is per VM is in {@link VM_METRICS}, on a path of its own that is
 * scraped by who asks for it.
 */
export interface Metric {
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

const metric = (type: Metric["type"], help: string, ...labels: string[]): Metric => ({ type, help, labels });

/** Of every service. */
export const SERVICE_METRICS = {
  bioxen_ready: metric("gauge", "1 while the service has caught up with the log and answers."),
  bioxen_log_applied_sequence: metric("gauge", "Sequence of the last event that was applied."),
  bioxen_log_lag_events: metric("gauge", "Events stored and not applied yet."),
  bioxen_requests_total: metric(
    "counter",
    "Requests answered, by endpoint and code; code OK was done.",
    "endpoint",
    "code",
  ),
  bioxen_request_duration_seconds: metric("histogram", "Time until a request was answered.", "endpoint"),
} as const satisfies Record<string, Metric>;

/** Of the monitor: the fleet. */
export const FLEET_METRICS = {
  bioxen_vms: metric("gauge", "VMs by state; destroyed ones are not counted.", "state"),
  bioxen_vms_impaired: metric("gauge", "VMs that are not as well as they could be, by reason.", "reason"),
  bioxen_vm_growth_lowest_ratio: metric(
    "gauge",
    "Growth of the VM that grows slowest, as a share of what its type grows at.",
  ),
  bioxen_vm_pending_oldest_seconds: metric("gauge", "How long the VM that waits longest has waited."),
  bioxen_vm_start_duration_seconds: metric(
    "histogram",
    "From the wish to run to a running guest, of starts since the monitor began.",
  ),
  bioxen_fleet_health_ratio: metric("gauge", "Mean health of all VMs that are measured."),
  bioxen_fleet_fairness_ratio: metric("gauge", "Jain's index over granted shares: 1 when all have the same."),
  bioxen_chassis_offered: metric("gauge", "What a chassis offers of a resource.", "chassis", "resource"),
  bioxen_chassis_reserved: metric("gauge", "What its ledger holds of a resource.", "chassis", "resource"),
  bioxen_chassis_guests: metric("gauge", "Guests that its agent runs on a chassis.", "chassis"),
  bioxen_chassis_heartbeat_age_seconds: metric(
    "gauge",
    "Since the agent of a chassis was heard of.",
    "chassis",
  ),
  bioxen_telemetry_samples_received_total: metric("counter", "Samples that arrived.", "chassis"),
  bioxen_telemetry_samples_lost_total: metric("counter", "Samples that never arrived.", "chassis"),
  bioxen_alerts_active: metric("gauge", "Alerts raised and not cleared, by severity.", "severity"),
} as const satisfies Record<string, Metric>;

/** Of the monitor, under `/metrics/vms`: one series per VM. */
export const VM_METRICS = {
  bioxen_vm_growth_ratio: metric("gauge", "Growth as a share of what its type grows at.", "vm"),
  bioxen_vm_health_ratio: metric("gauge", "Health, 0 to 1.", "vm"),
  bioxen_vm_lag_seconds: metric("gauge", "Simulated time its host owes it.", "vm"),
} as const satisfies Record<string, Metric>;

export const METRICS = { ...SERVICE_METRICS, ...FLEET_METRICS, ...VM_METRICS } as const;
export type MetricName = keyof typeof METRICS;

/** What a service measures when it is asked. */
export interface Measurement {
  readonly metric: MetricName;
  readonly values: readonly MeasuredValue[];
}

export interface MeasuredValue {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of a histogram: which of its series. */
  readonly series?: "bucket" | "sum" | "count";
}
