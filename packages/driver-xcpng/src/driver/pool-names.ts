/**
 * Finds objects of the pool by the name or uuid that a VM's config gives.
 */
import { DriverError } from "@bioxen/vm-driver";
import type { VmRecord } from "../xapi/records.ts";
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

/**
 * Returns whether the template is one of the pool's own, for the installation of an operating system. A machine made from
 * it has an empty disk or none. XAPI marks these templates by a field, and for older clients by a key; either one counts
 * (xapi-project/xen-api, xapi_vm_lifecycle.ml, `check_template`; xapi_vm_helpers.ml, `set_is_default_template`). A clone
 * has neither (xapi_vm_clone.ml, `copy_vm_record`).
 */
function isForInstallation({ is_default_template, other_config }: VmRecord): boolean {
  return is_default_template || other_config["default_template"] === "true";
}

/** What a name or uuid of a template means in a pool. */
export type TemplateFound = "template" | "installer" | "machine" | "nothing";

/** Returns the templates with this name or uuid; without one, what the pool has instead. */
export function findTemplate(
  vms: Iterable<readonly [string, VmRecord]>,
  nameOrUuid: string,
): { readonly found: TemplateFound; readonly templates: readonly (readonly [string, VmRecord])[] } {
  const named = [...vms].filter(
    ([, vm]) => !vm.is_a_snapshot && (vm.name_label === nameOrUuid || vm.uuid === nameOrUuid),
  );
  const all = named.filter(([, vm]) => vm.is_a_template);
  const templates = all.filter(([, vm]) => !isForInstallation(vm));
  if (templates.length > 0) return { found: "template", templates };
  if (all.length > 0) return { found: "installer", templates };
  return { found: named.length > 0 ? "machine" : "nothing", templates };
}

/** Why an installer template makes no machine, and the remedy. */
export const INSTALLER_WORDS =
  "is a template for the installation of an operating system, and has none: install a VM from it, shut the VM down and convert it to a template";

/** Returns the reference of the template with this name or uuid. Throws `BAD_REQUEST` when none or several match. */
export function templateNamed(inventory: Inventory, nameOrUuid: string): string {
  const { found, templates } = findTemplate(inventory.entries(), nameOrUuid);
  switch (found) {
    case "template":
      return objectNamed(templates, nameOrUuid, "template");
    case "installer":
      throw new DriverError("BAD_REQUEST", `"${nameOrUuid}" ${INSTALLER_WORDS}, or name a template`);
    case "machine":
      throw new DriverError(
        "BAD_REQUEST",
        `"${nameOrUuid}" is a VM, not a template: shut it down and convert it (xe vm-param-set is-a-template=true), or name a template`,
      );
    case "nothing": {
      const names = offeredTemplates(inventory);
      const choice = names.length === 0 ? "" : `, or set config.template to one of ${names.join(", ")}`;
      throw new DriverError("BAD_REQUEST", `the pool has no template "${nameOrUuid}": create it${choice}`);
    }
  }
}

/** Returns the names of the templates from which a machine can be made. */
function offeredTemplates(inventory: Inventory): readonly string[] {
  const usable = [...inventory.entries()].filter(
    ([, vm]) => vm.is_a_template && !vm.is_a_snapshot && !isForInstallation(vm),
  );
  const names = usable.map(([, vm]) => vm.name_label).filter((name) => !name.startsWith("bioxen/"));
  return [...new Set(names)].slice(0, MAX_LISTED);
}
