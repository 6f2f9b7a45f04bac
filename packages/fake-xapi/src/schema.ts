/**
 * The classes of XAPI objects that the fake has, and their fields, with the types of XAPI's datamodel. A test compares
 * every line with that datamodel. The type of a field determines its value in a new record, and its name determines the
 * method that reads the field.
 */
export type FakeRecord = Record<string, unknown>;

const STRINGS = "(string -> string) map";

export const SCHEMA: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  session: {
    uuid: "string",
    this_host: "host ref",
    last_active: "datetime",
    pool: "bool",
    other_config: STRINGS,
    is_local_superuser: "bool",
    auth_user_name: "string",
    rbac_permissions: "string set",
    tasks: "task ref set",
    originator: "string",
  },
  task: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    allowed_operations: "enum task_allowed_operations set",
    current_operations: "(string -> enum task_allowed_operations) map",
    created: "datetime",
    finished: "datetime",
    status: "enum task_status_type",
    resident_on: "host ref",
    progress: "float",
    type: "string",
    result: "string",
    error_info: "string set",
    other_config: STRINGS,
    subtask_of: "task ref",
    subtasks: "task ref set",
    backtrace: "string",
  },
  pool: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    master: "host ref",
    default_SR: "SR ref",
    other_config: STRINGS,
    tags: "string set",
    ha_enabled: "bool",
    ha_host_failures_to_tolerate: "int",
    ha_plan_exists_for: "int",
    ha_overcommitted: "bool",
    ha_allow_overcommit: "bool",
  },
  host: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    hostname: "string",
    address: "string",
    enabled: "bool",
    memory_overhead: "int",
    cpu_info: STRINGS,
    software_version: STRINGS,
    other_config: STRINGS,
    resident_VMs: "VM ref set",
    metrics: "host_metrics ref",
    control_domain: "VM ref",
  },
  host_metrics: {
    uuid: "string",
    memory_total: "int",
    memory_free: "int",
    live: "bool",
    last_updated: "datetime",
  },
  VM: {
    uuid: "string",
    allowed_operations: "enum vm_operations set",
    current_operations: "(string -> enum vm_operations) map",
    blocked_operations: "(enum vm_operations -> string) map",
    name_label: "string",
    name_description: "string",
    power_state: "enum vm_power_state",
    is_a_template: "bool",
    is_default_template: "bool",
    is_a_snapshot: "bool",
    is_control_domain: "bool",
    snapshot_of: "VM ref",
    snapshots: "VM ref set",
    snapshot_time: "datetime",
    snapshot_info: STRINGS,
    snapshot_metadata: "string",
    ha_always_run: "bool",
    ha_restart_priority: "string",
    suspend_VDI: "VDI ref",
    resident_on: "host ref",
    memory_overhead: "int",
    memory_target: "int",
    memory_static_max: "int",
    memory_dynamic_max: "int",
    memory_dynamic_min: "int",
    memory_static_min: "int",
    VCPUs_params: STRINGS,
    VCPUs_max: "int",
    VCPUs_at_startup: "int",
    HVM_boot_policy: "string",
    HVM_shadow_multiplier: "float",
    platform: STRINGS,
    other_config: STRINGS,
    xenstore_data: STRINGS,
    tags: "string set",
    domid: "int",
    metrics: "VM_metrics ref",
    guest_metrics: "VM_guest_metrics ref",
    VBDs: "VBD ref set",
    VIFs: "VIF ref set",
  },
  VM_metrics: {
    uuid: "string",
    memory_actual: "int",
    VCPUs_number: "int",
    start_time: "datetime",
    last_updated: "datetime",
  },
  VM_guest_metrics: {
    uuid: "string",
    os_version: STRINGS,
    networks: STRINGS,
    memory: STRINGS,
    live: "bool",
    last_updated: "datetime",
    PV_drivers_detected: "bool",
  },
  SR: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    VDIs: "VDI ref set",
    physical_size: "int",
    physical_utilisation: "int",
    virtual_allocation: "int",
    type: "string",
    content_type: "string",
    shared: "bool",
    other_config: STRINGS,
  },
  VDI: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    SR: "SR ref",
    VBDs: "VBD ref set",
    virtual_size: "int",
    physical_utilisation: "int",
    type: "enum vdi_type",
    other_config: STRINGS,
    is_a_snapshot: "bool",
    snapshot_of: "VDI ref",
  },
  VBD: {
    uuid: "string",
    VM: "VM ref",
    VDI: "VDI ref",
    userdevice: "string",
    bootable: "bool",
    mode: "enum vbd_mode",
    type: "enum vbd_type",
    empty: "bool",
    currently_attached: "bool",
    other_config: STRINGS,
  },
  network: {
    uuid: "string",
    name_label: "string",
    name_description: "string",
    VIFs: "VIF ref set",
    bridge: "string",
    MTU: "int",
    other_config: STRINGS,
  },
  VIF: {
    uuid: "string",
    device: "string",
    network: "network ref",
    VM: "VM ref",
    MAC: "string",
    MTU: "int",
    other_config: STRINGS,
    qos_algorithm_type: "string",
    qos_algorithm_params: STRINGS,
    currently_attached: "bool",
    MAC_autogenerated: "bool",
  },
};

const EPOCH = "19700101T00:00:00Z";

/** Returns the value that a field of this type has in a new record. */
export function emptyValue(type: string): unknown {
  if (type.endsWith(" set")) return [];
  if (type.endsWith(" map")) return {};
  if (type.endsWith(" ref")) return "OpaqueRef:NULL";
  switch (type) {
    case "bool":
      return false;
    case "int":
    case "float":
      return 0;
    case "datetime":
      return EPOCH;
    default:
      return "";
  }
}

/** Returns the instant in XAPI's format, such as `20260131T12:00:00Z`. */
export function dateOf(epochMs: number): string {
  return new Date(epochMs).toISOString().replaceAll("-", "").replace(/\.\d+/, "");
}
