/**
 * What each error code of XAPI means for BioXen: whether the call can succeed later, and what an operator can do.
 *
 * The table has every code that a call of the driver can return; docs/how-to/xcpng-errors.md is written from it, and a
 * test compares its codes with XAPI's own list. A code that is missing here counts as {@link UNKNOWN}.
 */
import type { DriverErrorCode } from "@bioxen/vm-driver";
import { SUFFICIENT_ROLE } from "./permissions.ts";

/**
 * `permanent`: the same call fails again, and the VM goes to `error`. `capacity`: the pool has no room, and the VM
 * waits until room comes. `transient`: the call may succeed later; it is repeated a limited number of times, with
 * growing waits. `connection`: the driver connects again, without a limit; the code says nothing about the VM.
 */
export type RefusalClass = "permanent" | "capacity" | "transient" | "connection";

export interface RefusalMeaning {
  readonly class: RefusalClass;
  readonly code: DriverErrorCode;
  /** The cause, as a clause for an error text. */
  readonly why: string;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

interface Row {
  readonly codes: string;
  readonly why: string;
  readonly remedy: string;
}

const row = (codes: string, why: string, remedy: string): Row => ({ codes, why, remedy });

const BAD_REQUEST: readonly Row[] = [
  row(
    "INVALID_VALUE FIELD_TYPE_ERROR VALUE_NOT_SUPPORTED MAC_INVALID INVALID_DEVICE",
    "the pool rejects a value",
    "Correct the value that the error names, in the VM's config, in its resources or in the template.",
  ),
  row(
    "MEMORY_CONSTRAINT_VIOLATION MEMORY_CONSTRAINT_VIOLATION_ORDER MEMORY_CONSTRAINT_VIOLATION_MAXPIN VM_MEMORY_SIZE_TOO_LOW",
    "the pool rejects its memory limits",
    "Give the VM an amount of memory that its template and its operating system accept.",
  ),
  row(
    "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE",
    "its number of virtual CPUs is not a multiple of the cores per socket of its template",
    "Set vcpus or config.maxVcpus to a multiple of platform:cores-per-socket of the template, or change that key in the pool.",
  ),
  row(
    "VM_NO_VCPUS VM_TOO_MANY_VCPUS",
    "the pool rejects its number of virtual CPUs",
    "Give the VM at least 1 virtual CPU, and at most as many as the pool supports.",
  ),
  row(
    "VM_IS_TEMPLATE VM_IS_SNAPSHOT PROVISION_ONLY_ALLOWED_ON_TEMPLATE REVERT_ONLY_ALLOWED_ON_SNAPSHOT VM_CANNOT_DELETE_DEFAULT_TEMPLATE",
    "the object in the pool is of another kind",
    "Undo the change of the machine in the pool, or destroy the VM and create it again.",
  ),
];

const UNSUPPORTED: readonly Row[] = [
  row(
    "VM_LACKS_FEATURE VM_MISSING_PV_DRIVERS VM_OLD_PV_DRIVERS",
    "the guest tools (xe-guest-utilities) are missing in the machine, or too old",
    "Install the guest tools in the template, and create the VM again.",
  ),
  row(
    "LICENCE_RESTRICTION LICENSE_EXPIRED LICENSE_CHECKOUT_ERROR LICENSE_PROCESSING_ERROR FEATURE_RESTRICTED",
    "the pool's licence does not include the operation",
    "Extend the licence of the pool's hosts, or do without the operation.",
  ),
  row(
    "OPERATION_NOT_ALLOWED VM_IS_PROTECTED VM_IS_IMMOBILE VM_ASSIGNED_TO_PROTECTION_POLICY VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE VM_IS_PART_OF_AN_APPLIANCE HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED",
    "the pool does not allow the operation",
    "Read the parameters of the error: they name the setting of the machine or pool that forbids it.",
  ),
  row(
    "OPERATION_BLOCKED",
    "an administrator of the pool has blocked the operation",
    "Remove the operation from blocked-operations of the machine: xe vm-param-remove param-name=blocked-operations.",
  ),
  row(
    "RBAC_PERMISSION_DENIED PERMISSION_DENIED SESSION_AUTHORIZATION_FAILED USER_IS_NOT_LOCAL_SUPERUSER",
    "the pool's user has no permission",
    `Give the user of BIOXEN_XCPNG_USERNAME the role ${SUFFICIENT_ROLE}, then restart the agent.`,
  ),
  row(
    "MESSAGE_METHOD_UNKNOWN MESSAGE_PARAMETER_COUNT_MISMATCH MESSAGE_REMOVED MESSAGE_DEPRECATED NOT_IMPLEMENTED XMLRPC_UNMARSHAL_FAILURE UNIMPLEMENTED_IN_SM_BACKEND SR_OPERATION_NOT_SUPPORTED",
    "this release of the pool, or its storage, does not have the operation",
    "Update the pool to XCP-ng 8.2 or later, or name another storage in config.storage.",
  ),
  row(
    "VM_HVM_REQUIRED FEATURE_REQUIRES_HVM VM_REQUIRES_IOMMU VM_REQUIRES_GPU VM_REQUIRES_VGPU VM_REQUIRES_VUSB VM_INCOMPATIBLE_WITH_THIS_HOST VM_HOST_INCOMPATIBLE_VERSION VM_HOST_INCOMPATIBLE_VIRTUAL_HARDWARE_PLATFORM_VERSION XEN_INCOMPATIBLE VGPU_TYPE_NOT_ENABLED VGPU_TYPE_NOT_SUPPORTED",
    "no host of the pool has the hardware or the release that the machine needs",
    "Remove the requirement from the template, or enable it on a host (for HVM: virtualization in the firmware).",
  ),
  row(
    "VM_REQUIRES_SR HOST_CANNOT_SEE_SR SR_HAS_NO_PBDS SR_NOT_ATTACHED SR_UNKNOWN_DRIVER DEFAULT_SR_NOT_FOUND NO_LOCAL_STORAGE",
    "no host of the pool reaches the storage of its disks",
    "Attach the storage to the hosts (xe pbd-plug), or name a shared one in config.storage.",
  ),
  row(
    "VM_REQUIRES_NETWORK HOST_CANNOT_ATTACH_NETWORK BRIDGE_NOT_AVAILABLE NETWORK_UNMANAGED CANNOT_PLUG_VIF REQUIRED_PIF_IS_UNPLUGGED",
    "no host of the pool reaches its network",
    "Connect the hosts to the network, or name another network in config.network.",
  ),
  row(
    "VM_NO_SUSPEND_SR VM_NON_SUSPENDABLE VM_HAS_VGPU VM_HAS_PCI_ATTACHED VM_HAS_VUSBS VM_HAS_SRIOV_VIF VGPU_SUSPENSION_NOT_SUPPORTED VM_IS_USING_NESTED_VIRT",
    "the memory of the machine cannot be stored",
    "Set a storage for memory images (suspend-image-SR of the pool), and remove passed-through devices from the template.",
  ),
  row(
    "BOOTLOADER_FAILED UNKNOWN_BOOTLOADER VM_UNSAFE_BOOT BOOT_DEVICE_PASSTHROUGH_DISALLOWED DISK_VBD_MUST_BE_READWRITE_FOR_HVM ILLEGAL_VBD_DEVICE VM_DUPLICATE_VBD_DEVICE VBD_CDS_MUST_BE_READONLY VM_PCI_BUS_FULL VM_ATTACHED_TO_MORE_THAN_ONE_VDI_WITH_TIMEOFFSET_MARKED_AS_RESET_ON_BOOT DUPLICATE_MAC_SEED",
    "the machine cannot boot as its template is configured",
    "Correct the boot order and the devices of the template; start a VM from it in the pool to try it.",
  ),
  row(
    "VM_REQUIRES_VDI VDI_MISSING VDI_LOCATION_MISSING VDI_CONTENT_ID_MISSING VDI_INCOMPATIBLE_TYPE VDI_IS_A_PHYSICAL_DEVICE VDI_IS_ENCRYPTED VDI_IS_NOT_ISO VDI_READONLY VDI_NOT_MANAGED VDI_NOT_IN_MAP VDI_IS_SHARABLE VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION VDI_HAS_RRDS VDI_CONTAINS_METADATA_OF_THIS_POOL VBD_MISSING VBD_IS_EMPTY VBD_NOT_EMPTY VIF_NOT_IN_MAP SR_BACKEND_FAILURE_46 HOST_CD_DRIVE_EMPTY",
    "a disk of the machine is missing or unusable",
    "Eject a CD whose image is gone (xe vm-cd-eject on the template), or bring the storage of the disk back.",
  ),
  row(
    "VDI_TOO_LARGE VDI_TOO_SMALL SR_REQUIRES_UPGRADE SR_IS_CACHE_SR SR_NOT_SHARED SR_BACKEND_FAILURE_109 VM_HAS_TOO_MANY_SNAPSHOTS VM_HAS_CHECKPOINT VM_HAS_NO_SUSPEND_VDI",
    "the storage cannot hold the disk or another snapshot of it",
    "Delete snapshots, or name another storage in config.storage.",
  ),
];

const CAPACITY: readonly Row[] = [
  row(
    "HOST_NOT_ENOUGH_FREE_MEMORY",
    "no host of the pool has enough free memory",
    "Stop other VMs, give the VM less memory, or add a host.",
  ),
  row(
    "HOST_NOT_ENOUGH_PCPUS",
    "no host of the pool has as many processors as the machine has virtual CPUs",
    "Give the VM fewer virtual CPUs, or add a larger host.",
  ),
  row(
    "NO_HOSTS_AVAILABLE HOST_DISABLED HOST_DISABLED_INDEFINITELY HOST_DISABLED_UNTIL_REBOOT HOST_EVACUATION_IS_REQUIRED",
    "no host of the pool can run it now",
    "Enable a host that is in maintenance mode (xe host-enable), or add one.",
  ),
  row(
    "HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN HA_NO_PLAN",
    "the pool keeps the room for the restart of protected VMs",
    "Add a host, stop other VMs, or lower ha-host-failures-to-tolerate of the pool.",
  ),
  row(
    "SR_FULL OUT_OF_SPACE PROVISION_FAILED_OUT_OF_SPACE SR_SOURCE_SPACE_INSUFFICIENT SR_SUSPEND_SPACE_INSUFFICIENT SR_BACKEND_FAILURE_44",
    "the storage is full",
    "Remove disks and snapshots from the storage, enlarge it, or name another one in config.storage.",
  ),
  row(
    "NETWORK_SRIOV_INSUFFICIENT_CAPACITY PGPU_INSUFFICIENT_CAPACITY_FOR_VGPU PGPU_IN_USE_BY_VM VTPM_MAX_AMOUNT_REACHED",
    "all devices of the pool that the machine needs are in use",
    "Stop another VM that uses such a device, or remove the device from the template.",
  ),
];

const TRANSIENT: readonly Row[] = [
  row(
    "OTHER_OPERATION_IN_PROGRESS VM_BAD_POWER_STATE TASK_CANCELLED VM_HALTED VM_REBOOTED VM_CRASHED VM_NOT_RESIDENT_HERE HA_ENABLE_IN_PROGRESS HA_DISABLE_IN_PROGRESS DESIGNATE_NEW_MASTER_IN_PROGRESS HOST_EVACUATE_IN_PROGRESS NOT_SUPPORTED_DURING_UPGRADE MAP_DUPLICATE_KEY",
    "another operation of the pool is in the way",
    "Wait; if it remains, look for a task that hangs (xe task-list), and cancel it.",
  ),
  row(
    "HANDLE_INVALID UUID_INVALID OBJECT_NOLONGER_EXISTS DOMAIN_EXISTS DUPLICATE_VM",
    "an object was changed or removed in the pool meanwhile",
    "Wait; if it remains, restart the toolstack of the master (xe-toolstack-restart).",
  ),
  row(
    "HOST_STILL_BOOTING HOST_OFFLINE HOST_NOT_LIVE HOST_BROKEN HOST_IN_EMERGENCY_MODE HOST_UNKNOWN_TO_MASTER HOST_HAS_NO_MANAGEMENT_IP HOST_CANNOT_READ_METRICS CANNOT_CONTACT_HOST TLS_CONNECTION_FAILED V6D_FAILURE SM_PLUGIN_COMMUNICATION_FAILURE",
    "a host of the pool does not answer",
    "Check the hosts of the pool: xe host-list params=name-label,enabled,host-metrics-live.",
  ),
  row(
    "TOO_BUSY TOO_MANY_PENDING_TASKS TOO_MANY_STORAGE_MIGRATES",
    "the pool is busy",
    "Wait; if it remains, look for tasks that hang (xe task-list).",
  ),
  row(
    "VDI_IN_USE VDI_NOT_AVAILABLE VDI_IO_ERROR VDI_COPY_FAILED SR_ATTACH_FAILED SR_BACKEND_FAILURE SR_DEVICE_IN_USE SR_UNHEALTHY SR_VDI_LOCKING_FAILED CLUSTERED_SR_DEGRADED ACTIVATION_WHILE_NOT_FREE DEVICE_ALREADY_ATTACHED DEVICE_ALREADY_DETACHED DEVICE_ATTACH_TIMEOUT DEVICE_DETACH_REJECTED DEVICE_DETACH_TIMEOUT DEVICE_NOT_ATTACHED VIF_IN_USE SUSPEND_IMAGE_NOT_ACCESSIBLE",
    "the storage or a device failed",
    "Check the storage in the pool: xe sr-scan, and /var/log/SMlog on the host that the error names.",
  ),
  row(
    "INTERNAL_ERROR CLIENT_ERROR DOMAIN_BUILDER_ERROR FAILED_TO_START_EMULATOR CANNOT_RESTART_DEVICE_MODEL XAPI_HOOK_FAILED XENAPI_PLUGIN_FAILURE OPERATION_PARTIALLY_FAILED DB_UNIQUENESS_CONSTRAINT_VIOLATION",
    "the pool failed internally",
    "Read /var/log/xensource.log of the master; the error has the first lines of it.",
  ),
  row(
    "VM_SHUTDOWN_TIMEOUT VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT VM_SUSPEND_TIMEOUT VM_FAILED_SUSPEND_ACKNOWLEDGMENT VM_MEMORY_TARGET_WAIT_TIMEOUT VMS_FAILED_TO_COOPERATE VM_CHECKPOINT_SUSPEND_FAILED VM_CHECKPOINT_RESUME_FAILED VM_SNAPSHOT_FAILED VM_REVERT_FAILED",
    "the guest or the pool did not complete the operation in time",
    "Repeat the command; if it fails again, look at the guest's console in the pool.",
  ),
];

const CONNECTION: readonly Row[] = [
  row(
    "SESSION_INVALID SESSION_NOT_REGISTERED HOST_IS_SLAVE HOST_MASTER_CANNOT_TALK_BACK EVENTS_LOST EVENT_FROM_TOKEN_PARSE_FAILURE EVENT_SUBSCRIPTION_PARSE_FAILURE",
    "the connection to the pool was lost",
    "None: the agent connects again by itself.",
  ),
  row(
    "SESSION_AUTHENTICATION_FAILED",
    "the pool rejects the agent's user name or password",
    "Correct BIOXEN_XCPNG_USERNAME and the password; a password file is read at each login.",
  ),
];

const SECTIONS: readonly {
  readonly class: RefusalClass;
  readonly code: DriverErrorCode;
  readonly rows: readonly Row[];
}[] = [
  { class: "permanent", code: "BAD_REQUEST", rows: BAD_REQUEST },
  { class: "permanent", code: "UNSUPPORTED", rows: UNSUPPORTED },
  { class: "capacity", code: "CAPACITY_EXCEEDED", rows: CAPACITY },
  { class: "transient", code: "UNAVAILABLE", rows: TRANSIENT },
  { class: "connection", code: "UNAVAILABLE", rows: CONNECTION },
];

/** The codes that are listed together, with their common meaning, in the order of the document. */
export const REFUSAL_ROWS: readonly (RefusalMeaning & { readonly codes: readonly string[] })[] =
  SECTIONS.flatMap(({ rows, ...section }) =>
    rows.map(({ codes, why, remedy }) => ({ ...section, why, remedy, codes: codes.split(" ") })),
  );

const BY_CODE: ReadonlyMap<string, RefusalMeaning> = new Map(
  REFUSAL_ROWS.flatMap(({ codes, ...meaning }) => codes.map((code) => [code, meaning] as const)),
);

/** The meaning of a code that the table does not have. */
export const UNKNOWN: RefusalMeaning = {
  class: "transient",
  code: "UNAVAILABLE",
  why: "the pool refuses the operation",
  remedy: "Look the code up in the documentation of XCP-ng.",
};

/** Codes of storage drivers have a number: `SR_BACKEND_FAILURE_<number>`. Unlisted numbers have this meaning. */
const STORAGE_CODE = "SR_BACKEND_FAILURE";

export function refusalMeaning(code: string): RefusalMeaning {
  const general = code.startsWith(`${STORAGE_CODE}_`) ? BY_CODE.get(STORAGE_CODE) : undefined;
  return BY_CODE.get(code) ?? general ?? UNKNOWN;
}
