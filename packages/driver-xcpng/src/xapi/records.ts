/**
 * The fields of XAPI's records that the driver reads. A test compares each with the datamodel.
 */
import type { Ref } from "./ref.ts";

type StringMap = Readonly<Record<string, string>>;

export type PowerState = "Halted" | "Paused" | "Running" | "Suspended";

export interface VmRecord {
  readonly uuid: string;
  readonly name_label: string;
  readonly name_description: string;
  readonly power_state: PowerState;
  readonly is_a_template: boolean;
  /** True for the templates that installers of operating systems use. */
  readonly is_default_template: boolean;
  readonly is_a_snapshot: boolean;
  readonly is_control_domain: boolean;
  readonly snapshot_of: Ref;
  readonly snapshots: readonly Ref[];
  readonly resident_on: Ref;
  /** Memory that Xen needs to run the VM, bytes. All `memory_…` fields are in bytes. */
  readonly memory_overhead: number;
  readonly memory_static_min: number;
  readonly memory_dynamic_min: number;
  readonly memory_dynamic_max: number;
  readonly memory_static_max: number;
  readonly VCPUs_max: number;
  readonly VCPUs_at_startup: number;
  readonly VCPUs_params: StringMap;
  readonly VBDs: readonly Ref[];
  readonly VIFs: readonly Ref[];
  readonly metrics: Ref;
  readonly guest_metrics: Ref;
  readonly other_config: StringMap;
  readonly xenstore_data: StringMap;
  readonly tags: readonly string[];
  readonly snapshot_info: StringMap;
  /** `restart`, `best-effort`, or empty: what the pool does when the VM's host fails. */
  readonly ha_restart_priority: string;
  readonly ha_always_run: boolean;
  readonly suspend_VDI: Ref;
}

export interface TaskRecord {
  readonly name_label: string;
  readonly status: "pending" | "success" | "failure" | "cancelling" | "cancelled";
  /** Progress of the task, a fraction from 0 to 1. */
  readonly progress: number;
  /** The task's result, which is XML even over JSON-RPC: `<value>OpaqueRef:…</value>`. */
  readonly result: string;
  readonly error_info: readonly string[];
}

export interface PoolRecord {
  readonly uuid: string;
  readonly name_label: string;
  readonly master: Ref;
  readonly default_SR: Ref;
  readonly ha_enabled: boolean;
  /** Number of hosts that may fail at once so that every protected VM can be restarted. */
  readonly ha_host_failures_to_tolerate: number;
  /** Number of host failures, at most that one, for which the pool has a plan now. */
  readonly ha_plan_exists_for: number;
  /** True when the pool has no plan for as many failures as it is to tolerate. */
  readonly ha_overcommitted: boolean;
  /** True when the pool also allows operations that break its plan. */
  readonly ha_allow_overcommit: boolean;
}

export interface HostRecord {
  readonly uuid: string;
  readonly name_label: string;
  readonly address: string;
  readonly enabled: boolean;
  readonly memory_overhead: number;
  readonly cpu_info: StringMap;
  readonly metrics: Ref;
}

export interface HostMetricsRecord {
  /** Total memory of the host, bytes. */
  readonly memory_total: number;
  readonly live: boolean;
}

export interface VmMetricsRecord {
  readonly start_time: string;
  readonly VCPUs_number: number;
}

export interface GuestMetricsRecord {
  readonly networks: StringMap;
  readonly os_version: StringMap;
  readonly PV_drivers_detected: boolean;
}

export interface VbdRecord {
  readonly VM: Ref;
  readonly VDI: Ref;
  readonly type: string;
  readonly empty: boolean;
}

export interface VdiRecord {
  readonly uuid: string;
  readonly SR: Ref;
  readonly VBDs: readonly Ref[];
  readonly other_config: StringMap;
}

export interface VifRecord {
  readonly device: string;
  readonly network: Ref;
  readonly VM: Ref;
}

export interface NamedRecord {
  readonly uuid: string;
  readonly name_label: string;
}

export interface RecordsByClass {
  readonly VM: VmRecord;
  readonly task: TaskRecord;
  readonly pool: PoolRecord;
  readonly host: HostRecord;
  readonly host_metrics: HostMetricsRecord;
  readonly VM_metrics: VmMetricsRecord;
  readonly VM_guest_metrics: GuestMetricsRecord;
  readonly VBD: VbdRecord;
  readonly VDI: VdiRecord;
  readonly VIF: VifRecord;
  readonly SR: NamedRecord;
  readonly network: NamedRecord;
}

/** Names of the fields declared above, for the test that compares them with the datamodel. */
export const READ_FIELDS: { readonly [C in keyof RecordsByClass]: readonly (keyof RecordsByClass[C])[] } = {
  VM: [
    "uuid",
    "name_label",
    "name_description",
    "power_state",
    "is_a_template",
    "is_default_template",
    "is_a_snapshot",
    "is_control_domain",
    "snapshot_of",
    "snapshots",
    "resident_on",
    "memory_overhead",
    "memory_static_min",
    "memory_dynamic_min",
    "memory_dynamic_max",
    "memory_static_max",
    "VCPUs_max",
    "VCPUs_at_startup",
    "VCPUs_params",
    "VBDs",
    "VIFs",
    "metrics",
    "guest_metrics",
    "other_config",
    "xenstore_data",
    "tags",
    "snapshot_info",
    "ha_restart_priority",
    "ha_always_run",
    "suspend_VDI",
  ],
  task: ["name_label", "status", "progress", "result", "error_info"],
  pool: [
    "uuid",
    "name_label",
    "master",
    "default_SR",
    "ha_enabled",
    "ha_host_failures_to_tolerate",
    "ha_plan_exists_for",
    "ha_overcommitted",
    "ha_allow_overcommit",
  ],
  host: ["uuid", "name_label", "address", "enabled", "memory_overhead", "cpu_info", "metrics"],
  host_metrics: ["memory_total", "live"],
  VM_metrics: ["start_time", "VCPUs_number"],
  VM_guest_metrics: ["networks", "os_version", "PV_drivers_detected"],
  VBD: ["VM", "VDI", "type", "empty"],
  VDI: ["uuid", "SR", "VBDs", "other_config"],
  VIF: ["device", "network", "VM"],
  SR: ["uuid", "name_label"],
  network: ["uuid", "name_label"],
};
