/**
 * The roles of keys. This is a module of its own, `@bioxen/auth/roles`, because the command line needs it for every help
 * text, and the generator only to change keys.
 */
import { PRINCIPAL_ROLES } from "@bioxen/contracts";

/** The roles of keys that an operator adds. */
export const KEY_ROLES = [...PRINCIPAL_ROLES, "agent"] as const;
export type KeyRole = (typeof KEY_ROLES)[number];
