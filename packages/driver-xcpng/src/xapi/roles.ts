/**
 * The roles of XAPI's users, in ascending order: each role may call what the roles before it may call.
 */
export const ROLES = [
  "read-only",
  "vm-operator",
  "vm-admin",
  "vm-power-admin",
  "pool-operator",
  "pool-admin",
] as const;
export type Role = (typeof ROLES)[number];

/** Returns the stronger of two roles. */
export function strongerRole(a: Role, b: Role): Role {
  return ROLES.indexOf(a) >= ROLES.indexOf(b) ? a : b;
}
