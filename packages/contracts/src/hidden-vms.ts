/**
 * Removes what belongs to other owners from an answer or an event that a tenant reads: the ids of their VMs, and the
 * chains of causes that their commands began.
 *
 * Reasons are sentences of several services, such as "preempted for bob-1 (priority 5)". So the ids are searched in the
 * fields that hold sentences, and in the few fields that hold the id of another VM. Fields that hold other ids, such as
 * `chassisId`, are left alone, even when a VM has the same id.
 */
import { ID_SOURCE, splitSubject } from "@bioxen/kernel";

/** The fields of views and events that hold a sentence. */
const SENTENCES: ReadonlySet<string> = new Set(["reason", "message", "summary"]);
/** The fields that hold the id of another VM. */
const OTHER_VMS: ReadonlySet<string> = new Set(["by", "parent"]);
/** The ids of an event that name the command, and its caller, or the event of another VM. */
const CHAIN_IDS = ["correlationid", "causationid"] as const;
/** What stands for a VM that the caller must not know of. */
const ANOTHER = "another VM";
/** What stands for the id of a command or event that the caller must not know of. */
const OTHER_CHAIN = "of another principal";
const ID = new RegExp(ID_SOURCE, "g");
/** The id of a principal's command begins with the name of the principal and a slash. */
const CALLER = new RegExp(`^(${ID_SOURCE})/`);

type Fields = Readonly<Record<string, unknown>>;

/** Who reads, and which ids are those of VMs that the reader must not know of. */
interface Reader {
  readonly tenant: string;
  readonly isHidden: (id: string) => boolean;
}

/** Returns `value` as `tenant` may see it, without the ids for which `isHidden` is true. Does not change `value`. */
export function withoutVms<T>(value: T, tenant: string, isHidden: (id: string) => boolean): T {
  return cleaned(value, "", { tenant, isHidden }) as T;
}

function cleaned(value: unknown, field: string, reader: Reader): unknown {
  const { isHidden } = reader;
  if (typeof value === "string") {
    if (SENTENCES.has(field)) return value.replace(ID, (id) => (isHidden(id) ? ANOTHER : id));
    return OTHER_VMS.has(field) && isHidden(value) ? ANOTHER : value;
  }
  if (Array.isArray(value)) return value.map((item) => cleaned(item, field, reader));
  if (typeof value !== "object" || value === null) return value;
  if (field === "causedBy" && isOfHiddenVm(value, isHidden)) return null;
  const seen = Object.entries(value).map(([name, inner]) => [name, cleaned(inner, name, reader)]);
  return withoutChain(Object.fromEntries(seen), reader);
}

function isOfHiddenVm(
  { subject }: { readonly subject?: unknown },
  isHidden: (id: string) => boolean,
): boolean {
  if (typeof subject !== "string") return false;
  const { kind, id } = splitSubject(subject);
  return kind === "vm" && isHidden(id);
}

/**
 * Returns an event without the chain of causes that another principal began. The principal of the event itself stays: it
 * commanded this VM, as its owner then, or as an operator.
 */
function withoutChain(value: Fields, { tenant }: Reader): Fields {
  if (typeof value["correlationid"] !== "string") return value;
  const isKnown = (name: unknown) => name === undefined || name === tenant || name === value["principal"];
  const callers = CHAIN_IDS.map((name) => CALLER.exec(String(value[name]))?.[1]);
  if ([value["onbehalfof"], ...callers].every(isKnown)) return value;
  const { onbehalfof: _, traceparent: __, tracestate: ___, ...rest } = value;
  return { ...rest, ...Object.fromEntries(CHAIN_IDS.map((name) => [name, OTHER_CHAIN])) };
}
