/**
 * Finds objects of the pool by the name or uuid that a VM's config gives.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { Inventory } from "./inventory.ts";

/** Maximum number of template names in an error text. */
const MAX_LISTED = 20;

/** Returns the reference of the only object with this name or uuid. Throws `BAD_REQUEST` when none or several match. */
export function objectNamed(
  objects: readonly (readonly [string, { readonly uuid: string; readonly name_label: string }])[],
  nameOrUuid: string,
  kind: string,
): string {
  const matching = objects.filter(
    ([, { uuid, name_label }]) => uuid === nameOrUuid || name_label === nameOrUuid,
  );
  const [first] = matching;
  if (first !== undefined && matching.length === 1) return first[0];
  const why =
    first === undefined
      ? `the pool has no ${kind} "${nameOrUuid}": give the name or uuid of an existing one`
      : `the pool has more than one ${kind} "${nameOrUuid}": give a uuid`;
  throw new DriverError("BAD_REQUEST", why);
}

/** Returns the reference of the template with this name or uuid. Throws `BAD_REQUEST` when none or several match. */
export function templateNamed(inventory: Inventory, nameOrUuid: string): string {
  const named = [...inventory.entries()].filter(
    ([, vm]) => !vm.is_a_snapshot && (vm.name_label === nameOrUuid || vm.uuid === nameOrUuid),
  );
  const templates = named.filter(([, vm]) => vm.is_a_template);
  if (templates.length > 0) return objectNamed(templates, nameOrUuid, "template");
  if (named.length > 0) {
    throw new DriverError(
      "BAD_REQUEST",
      `"${nameOrUuid}" is a VM, not a template: shut it down and convert it (xe vm-param-set is-a-template=true), or name a template`,
    );
  }
  const known = [...inventory.entries()].filter(([, vm]) => vm.is_a_template && !vm.is_a_snapshot);
  const names = known.map(([, vm]) => vm.name_label).filter((name) => !name.startsWith("bioxen/"));
  throw new DriverError(
    "BAD_REQUEST",
    `the pool has no template "${nameOrUuid}": create it, or set config.template to one of ${[...new Set(names)].slice(0, MAX_LISTED).join(", ")}`,
  );
}
