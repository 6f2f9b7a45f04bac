/**
 * The signature of every XAPI method that the fake has, in the notation of XAPI's datamodel. A test compares each
 * signature with that datamodel. The methods that read and find objects are derived from `schema.ts`; all other methods
 * are listed here. `?` marks an optional parameter.
 */
import { Refusal } from "./refusal.ts";
import { SCHEMA } from "./schema.ts";

export interface Signature {
  /** The type of each parameter, in order; the session reference is left out. */
  readonly params: readonly string[];
  readonly result: string;
}

const STRINGS = "(string -> string) map";
const vm = (...more: readonly string[]): Signature => ({ params: ["VM ref", ...more], result: "void" });
const makesVm = (...params: readonly string[]): Signature => ({ params, result: "VM ref" });

const LISTED: Readonly<Record<string, Signature>> = {
  "session.login_with_password": {
    params: ["string", "string", "string?", "string?"],
    result: "session ref",
  },
  "session.logout": { params: [], result: "void" },
  "event.from": { params: ["string set", "string", "float"], result: "an event batch" },
  "event.inject": { params: ["string", "string"], result: "string" },
  "host.get_servertime": { params: ["host ref"], result: "datetime" },
  "host.get_server_certificate": { params: ["host ref"], result: "string" },
  "host.compute_free_memory": { params: ["host ref"], result: "int" },
  "pool.add_to_other_config": { params: ["pool ref", "string", "string"], result: "void" },
  "pool.remove_from_other_config": { params: ["pool ref", "string"], result: "void" },
  "task.cancel": { params: ["task ref"], result: "void" },
  "task.destroy": { params: ["task ref"], result: "void" },
  "VM.clone": makesVm("VM ref", "string"),
  "VM.copy": makesVm("VM ref", "string", "SR ref"),
  "VM.snapshot": makesVm("VM ref", "string", "VDI ref set?"),
  "VM.checkpoint": makesVm("VM ref", "string"),
  "VM.provision": vm(),
  "VM.revert": vm(),
  "VM.destroy": vm(),
  "VM.start": vm("bool", "bool"),
  "VM.pause": vm(),
  "VM.unpause": vm(),
  "VM.suspend": vm(),
  "VM.resume": vm("bool", "bool"),
  "VM.clean_shutdown": vm(),
  "VM.hard_shutdown": vm(),
  "VM.clean_reboot": vm(),
  "VM.hard_reboot": vm(),
  "VM.pool_migrate": vm("host ref", STRINGS),
  "VM.set_name_label": vm("string"),
  "VM.set_name_description": vm("string"),
  "VM.set_other_config": vm(STRINGS),
  "VM.set_xenstore_data": vm(STRINGS),
  "VM.add_to_other_config": vm("string", "string"),
  "VM.remove_from_other_config": vm("string"),
  "VM.add_tags": vm("string"),
  "VM.remove_tags": vm("string"),
  "VM.set_memory_limits": vm("int", "int", "int", "int"),
  "VM.set_memory_dynamic_range": vm("int", "int"),
  "VM.set_VCPUs_max": vm("int"),
  "VM.set_VCPUs_at_startup": vm("int"),
  "VM.set_VCPUs_number_live": vm("int"),
  "VM.set_VCPUs_params": vm(STRINGS),
  "VM.add_to_VCPUs_params": vm("string", "string"),
  "VM.remove_from_VCPUs_params": vm("string"),
  "VM.add_to_VCPUs_params_live": vm("string", "string"),
  "VDI.destroy": { params: ["VDI ref"], result: "void" },
  "VDI.add_to_other_config": { params: ["VDI ref", "string", "string"], result: "void" },
  "VDI.remove_from_other_config": { params: ["VDI ref", "string"], result: "void" },
  "VIF.create": { params: ["VIF record"], result: "VIF ref" },
  "VIF.destroy": { params: ["VIF ref"], result: "void" },
};

/** Classes whose objects XAPI does not list: they have no method `get_all`. */
const UNLISTED = ["session"];

function generated(): Record<string, Signature> {
  const out: Record<string, Signature> = {};
  for (const [name, fields] of Object.entries(SCHEMA)) {
    const self = [`${name} ref`];
    for (const [field, type] of Object.entries(fields)) {
      // XAPI has no reader for a password field, and the schema has no such field.
      out[`${name}.get_${field}`] = { params: self, result: type };
    }
    out[`${name}.get_record`] = { params: self, result: `${name} record` };
    out[`${name}.get_by_uuid`] = { params: ["string"], result: `${name} ref` };
    if (UNLISTED.includes(name)) continue;
    out[`${name}.get_all`] = { params: [], result: `${name} ref set` };
    out[`${name}.get_all_records`] = { params: [], result: `(${name} ref -> ${name} record) map` };
    if ("name_label" in fields && name !== "pool") {
      out[`${name}.get_by_name_label`] = { params: ["string"], result: `${name} ref set` };
    }
  }
  return out;
}

export const SIGNATURES: Readonly<Record<string, Signature>> = { ...generated(), ...LISTED };

/** Converts the arguments of a call to the types of its signature. Throws XAPI's errors for a wrong number or type. */
export function checkArguments(method: string, signature: Signature, args: readonly unknown[]): unknown[] {
  const { params } = signature;
  const needed = params.filter((type) => !type.endsWith("?")).length;
  if (args.length < needed || args.length > params.length) {
    const takesSession = method !== "session.login_with_password";
    const shown = (count: number) => String(count + (takesSession ? 1 : 0));
    throw new Refusal("MESSAGE_PARAMETER_COUNT_MISMATCH", method, shown(params.length), shown(args.length));
  }
  return args.map((value, i) => checked(value, (params[i] ?? "").replace("?", ""), method));
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function checked(value: unknown, type: string, method: string): unknown {
  const wrong = () => new Refusal("FIELD_TYPE_ERROR", `${method}: ${type}`);
  if (type === "int") {
    // XML-RPC carries 64-bit integers as strings.
    const number = typeof value === "string" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isInteger(number) || value === "") throw wrong();
    return number;
  }
  if (type === "float") {
    if (typeof value !== "number") throw wrong();
    return value;
  }
  if (type === "bool") {
    if (typeof value !== "boolean") throw wrong();
    return value;
  }
  if (type.endsWith(" set")) {
    if (!Array.isArray(value) || value.some((one) => typeof one !== "string")) throw wrong();
    return value;
  }
  if (type.endsWith(" record")) {
    if (!isMap(value)) throw wrong();
    return value;
  }
  if (type.endsWith(" map")) {
    if (!isMap(value) || Object.values(value).some((one) => typeof one !== "string")) throw wrong();
    return value;
  }
  if (typeof value !== "string") throw wrong();
  return value;
}
