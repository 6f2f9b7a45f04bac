/**
 * Every XAPI method that the driver may call, with the types of the datamodel. The compiler checks each call against
 * this table, and a test checks the table against the datamodel. Every method but `session.login_with_password` takes
 * the session as its first argument; the table omits that argument.
 */
import type { Role } from "./roles.ts";
import type { WireValue } from "./wire.ts";

interface Method {
  readonly params: readonly string[];
  readonly result: string;
  /** Cost of a call in units of the rate limit: its load on the pool's single database and on its disks. */
  readonly weight: number;
  /** Weakest role of XAPI whose users may call the method; absent when every role may. */
  readonly role?: Role;
}

const READ = 1;
/** Weight of a call for which the pool writes a record and notifies every subscriber. */
const WRITE = 2;
/** Weight of a call for which the pool creates, moves or destroys a domain or a disk. */
const HEAVY = 4;

const vm = ["VM ref"] as const;

export const METHODS = {
  "session.login_with_password": {
    params: ["string", "string", "string", "string"],
    result: "session ref",
    weight: WRITE,
  },
  "session.logout": { params: [], result: "void", weight: WRITE },
  "session.get_is_local_superuser": { params: ["session ref"], result: "bool", weight: READ },
  "session.get_rbac_permissions": { params: ["session ref"], result: "string set", weight: READ },
  "session.get_tasks": { params: ["session ref"], result: "task ref set", weight: READ },
  "pool.get_all_records": { params: [], result: "(pool ref -> pool record) map", weight: READ },
  "host.get_all_records": { params: [], result: "(host ref -> host record) map", weight: READ },
  "host.get_server_certificate": { params: ["host ref"], result: "string", weight: READ },
  "host_metrics.get_all_records": {
    params: [],
    result: "(host_metrics ref -> host_metrics record) map",
    weight: READ,
  },
  "host.get_servertime": { params: ["host ref"], result: "datetime", weight: READ },
  "SR.get_all_records": { params: [], result: "(SR ref -> SR record) map", weight: READ },
  "network.get_all_records": { params: [], result: "(network ref -> network record) map", weight: READ },
  "event.inject": { params: ["string", "string"], result: "string", weight: READ },
  "event.from": { params: ["string set", "string", "float"], result: "an event batch", weight: READ },
  "task.get_record": { params: ["task ref"], result: "task record", weight: READ },
  "task.cancel": { params: ["task ref"], result: "void", weight: READ },
  "task.destroy": { params: ["task ref"], result: "void", weight: READ },
  "VM.get_all_records": { params: [], result: "(VM ref -> VM record) map", weight: READ },
  "VM.get_record": { params: vm, result: "VM record", weight: READ },
  "VM.clone": { params: ["VM ref", "string"], result: "VM ref", weight: HEAVY, role: "vm-admin" },
  "VM.copy": { params: ["VM ref", "string", "SR ref"], result: "VM ref", weight: HEAVY, role: "vm-admin" },
  "VM.provision": { params: vm, result: "void", weight: HEAVY, role: "vm-admin" },
  "VM.add_to_other_config": {
    params: ["VM ref", "string", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.remove_from_other_config": {
    params: ["VM ref", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.set_other_config": {
    params: ["VM ref", "(string -> string) map"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.set_xenstore_data": {
    params: ["VM ref", "(string -> string) map"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.set_name_label": { params: ["VM ref", "string"], result: "void", weight: WRITE, role: "vm-admin" },
  "VM.set_name_description": {
    params: ["VM ref", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.add_tags": { params: ["VM ref", "string"], result: "void", weight: WRITE, role: "vm-operator" },
  "VM.remove_tags": { params: ["VM ref", "string"], result: "void", weight: WRITE, role: "vm-operator" },
  "VM.set_memory_limits": {
    params: ["VM ref", "int", "int", "int", "int"],
    result: "void",
    weight: WRITE,
    role: "vm-power-admin",
  },
  "VM.set_memory_dynamic_range": {
    params: ["VM ref", "int", "int"],
    result: "void",
    weight: WRITE,
    role: "vm-power-admin",
  },
  "VM.set_VCPUs_max": { params: ["VM ref", "int"], result: "void", weight: WRITE, role: "vm-admin" },
  "VM.set_VCPUs_at_startup": { params: ["VM ref", "int"], result: "void", weight: WRITE, role: "vm-admin" },
  "VM.set_VCPUs_number_live": { params: ["VM ref", "int"], result: "void", weight: WRITE, role: "vm-admin" },
  "VM.set_VCPUs_params": {
    params: ["VM ref", "(string -> string) map"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.add_to_VCPUs_params_live": {
    params: ["VM ref", "string", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VM.start": { params: ["VM ref", "bool", "bool"], result: "void", weight: HEAVY, role: "vm-operator" },
  "VM.pause": { params: vm, result: "void", weight: WRITE, role: "vm-operator" },
  "VM.unpause": { params: vm, result: "void", weight: WRITE, role: "vm-operator" },
  "VM.suspend": { params: vm, result: "void", weight: HEAVY, role: "vm-operator" },
  "VM.resume": { params: ["VM ref", "bool", "bool"], result: "void", weight: HEAVY, role: "vm-operator" },
  "VM.clean_shutdown": { params: vm, result: "void", weight: HEAVY, role: "vm-operator" },
  "VM.hard_shutdown": { params: vm, result: "void", weight: HEAVY, role: "vm-operator" },
  "VM.snapshot": { params: ["VM ref", "string"], result: "VM ref", weight: HEAVY, role: "vm-power-admin" },
  "VM.checkpoint": { params: ["VM ref", "string"], result: "VM ref", weight: HEAVY, role: "vm-power-admin" },
  "VM.revert": { params: vm, result: "void", weight: HEAVY, role: "vm-power-admin" },
  "VM.destroy": { params: vm, result: "void", weight: HEAVY, role: "vm-admin" },
  "VM_metrics.get_record": { params: ["VM_metrics ref"], result: "VM_metrics record", weight: READ },
  "VM_guest_metrics.get_record": {
    params: ["VM_guest_metrics ref"],
    result: "VM_guest_metrics record",
    weight: READ,
  },
  "VBD.get_record": { params: ["VBD ref"], result: "VBD record", weight: READ },
  "VDI.get_record": { params: ["VDI ref"], result: "VDI record", weight: READ },
  "VDI.get_all_records": { params: [], result: "(VDI ref -> VDI record) map", weight: READ },
  "VDI.add_to_other_config": {
    params: ["VDI ref", "string", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VDI.remove_from_other_config": {
    params: ["VDI ref", "string"],
    result: "void",
    weight: WRITE,
    role: "vm-admin",
  },
  "VDI.destroy": { params: ["VDI ref"], result: "void", weight: HEAVY, role: "vm-admin" },
  "VIF.get_record": { params: ["VIF ref"], result: "VIF record", weight: READ },
  "VIF.destroy": { params: ["VIF ref"], result: "void", weight: WRITE, role: "vm-admin" },
  "VIF.create": { params: ["VIF record"], result: "VIF ref", weight: WRITE, role: "vm-admin" },
} as const satisfies Readonly<Record<string, Method>>;

export type MethodName = keyof typeof METHODS;

type ArgsOfParams<P extends readonly string[]> = { readonly [I in keyof P]: WireValue<P[I] & string> };
export type ArgsOf<M extends MethodName> = ArgsOfParams<(typeof METHODS)[M]["params"]>;
export type ResultOf<M extends MethodName> = WireValue<(typeof METHODS)[M]["result"]>;

/** Returns the weakest role of XAPI whose users may call the method. */
export function roleFor(method: MethodName): Role {
  const { role }: Method = METHODS[method];
  return role ?? "read-only";
}

/** Whether the method only reads, so that it may be resent after a broken connection. */
export function isRead(method: MethodName): boolean {
  return /\.get_/.test(method) || method === "event.from";
}
