/**
 * The roles of XAPI, and the weakest role that may call each method. A test compares each entry with the datamodel.
 */
import { Refusal } from "./refusal.ts";

/** The roles in ascending order: each role may call what the roles before it may call. */
export const ROLES = [
  "read-only",
  "vm-operator",
  "vm-admin",
  "vm-power-admin",
  "pool-operator",
  "pool-admin",
] as const;
export type Role = (typeof ROLES)[number];

const LISTED: Readonly<Record<Exclude<Role, "read-only" | "pool-admin">, readonly string[]>> = {
  "vm-operator": [
    "VM.add_tags",
    "VM.clean_reboot",
    "VM.clean_shutdown",
    "VM.hard_reboot",
    "VM.hard_shutdown",
    "VM.pause",
    "VM.remove_tags",
    "VM.resume",
    "VM.start",
    "VM.suspend",
    "VM.unpause",
  ],
  "vm-admin": [
    "VDI.add_to_other_config",
    "VDI.destroy",
    "VDI.remove_from_other_config",
    "VIF.create",
    "VIF.destroy",
    "VM.add_to_VCPUs_params",
    "VM.add_to_VCPUs_params_live",
    "VM.add_to_other_config",
    "VM.clone",
    "VM.copy",
    "VM.destroy",
    "VM.provision",
    "VM.remove_from_VCPUs_params",
    "VM.remove_from_other_config",
    "VM.set_VCPUs_at_startup",
    "VM.set_VCPUs_max",
    "VM.set_VCPUs_number_live",
    "VM.set_VCPUs_params",
    "VM.set_name_description",
    "VM.set_name_label",
    "VM.set_other_config",
    "VM.set_xenstore_data",
  ],
  "vm-power-admin": [
    "VM.checkpoint",
    "VM.pool_migrate",
    "VM.revert",
    "VM.set_memory_dynamic_range",
    "VM.set_memory_limits",
    "VM.snapshot",
  ],
  "pool-operator": ["pool.add_to_other_config", "pool.remove_from_other_config"],
};

const WEAKEST = new Map(
  Object.entries(LISTED).flatMap(([role, methods]) =>
    methods.map((method) => [method, role as Role] as const),
  ),
);

/** Returns the weakest role that may call the method. A method that no role needs more for is `read-only`. */
export function weakestRole(method: string): Role {
  return WEAKEST.get(method) ?? "read-only";
}

/** Throws `RBAC_PERMISSION_DENIED` unless the role may call the method (rbac.ml of xapi-project/xen-api at e2ee48d). */
export function requireRole(role: Role, method: string): void {
  const weakest = ROLES.indexOf(weakestRole(method));
  if (ROLES.indexOf(role) >= weakest) return;
  const allowed = ROLES.slice(weakest).join(", ");
  throw new Refusal(
    "RBAC_PERMISSION_DENIED",
    method,
    `No permission in user session. (Roles with this permission: ${allowed})`,
  );
}

/**
 * Returns the permissions of a session whose user has this role: the names of methods in lower case (gen_rbac.ml,
 * `writer_permission`).
 */
export function permissionsOf(role: Role, methods: readonly string[]): string[] {
  const allowed = methods.filter((method) => ROLES.indexOf(weakestRole(method)) <= ROLES.indexOf(role));
  return allowed.map((method) => method.toLowerCase()).sort();
}
