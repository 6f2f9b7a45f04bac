/**
 * Removes the ids of VMs from an answer, for a caller that must not know of these VMs.
 *
 * Reasons are sentences of several services, such as "preempted for bob-1 (priority 5)". So the ids are searched in the
 * fields that hold sentences, and in the few fields that hold the id of another VM. Fields that hold other ids, such as
 * `chassisId`, are left alone, even when a VM has the same id.
 */
import { ID_SOURCE } from "@bioxen/kernel";

/** The fields of views and events that hold a sentence. */
const SENTENCES: ReadonlySet<string> = new Set(["reason", "message", "summary"]);
/** The fields that hold the id of another VM. */
const OTHER_VMS: ReadonlySet<string> = new Set(["by", "parent"]);
/** What stands for a VM that the caller must not know of. */
const ANOTHER = "another VM";
const ID = new RegExp(ID_SOURCE, "g");

/** Returns `value` without the ids for which `isHidden` is true. Does not change `value`. */
export function withoutVms<T>(value: T, isHidden: (id: string) => boolean): T {
  return cleaned(value, "", isHidden) as T;
}

function cleaned(value: unknown, field: string, isHidden: (id: string) => boolean): unknown {
  if (typeof value === "string") {
    if (SENTENCES.has(field)) return value.replace(ID, (id) => (isHidden(id) ? ANOTHER : id));
    return OTHER_VMS.has(field) && isHidden(value) ? ANOTHER : value;
  }
  if (Array.isArray(value)) return value.map((item) => cleaned(item, field, isHidden));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, cleaned(inner, name, isHidden)]),
  );
}
