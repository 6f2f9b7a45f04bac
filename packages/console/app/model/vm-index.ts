/**
 * The VMs by id, with their order and their chassis. Views ask for both at each change, and a fleet has thousands of VMs:
 * the order is made again only when a VM came or left, and the groups only when a view changed.
 */
import type { VmView } from "./types.ts";

/** Orders ids as people do: `c2` before `c10`. */
const collator = new Intl.Collator("en", { numeric: true });

export class VmIndex extends Map<string, VmView> {
  #ids: string[] = [];
  #idsAreOld = false;
  #ordered: readonly VmView[] | undefined;
  #groups: ReadonlyMap<string, readonly VmView[]> | undefined;

  override set(vmId: string, vm: VmView): this {
    if (!this.has(vmId)) {
      // At the end of an ordered list: sorting it again then costs little.
      this.#ids.push(vmId);
      this.#idsAreOld = true;
    }
    this.#forget();
    return super.set(vmId, vm);
  }

  override delete(vmId: string): boolean {
    const wasThere = super.delete(vmId);
    if (wasThere) {
      this.#idsAreOld = true;
      this.#forget();
    }
    return wasThere;
  }

  override clear(): void {
    this.#ids = [];
    this.#forget();
    super.clear();
  }

  /** All VMs in the order of their ids; the same list until a VM changes. */
  ordered(): readonly VmView[] {
    if (this.#ordered !== undefined) return this.#ordered;
    if (this.#idsAreOld) {
      this.#ids = [...new Set(this.#ids)].filter((id) => this.has(id)).sort(collator.compare);
      this.#idsAreOld = false;
    }
    this.#ordered = this.#ids.map((id) => this.get(id) as VmView);
    return this.#ordered;
  }

  /** The VMs of each chassis in the order of their ids; the same lists until a VM changes. */
  byChassis(): ReadonlyMap<string, readonly VmView[]> {
    if (this.#groups !== undefined) return this.#groups;
    const groups = new Map<string, VmView[]>();
    for (const vm of this.ordered()) {
      if (vm.chassisId === null) continue;
      const group = groups.get(vm.chassisId);
      if (group === undefined) groups.set(vm.chassisId, [vm]);
      else group.push(vm);
    }
    this.#groups = groups;
    return groups;
  }

  #forget(): void {
    this.#ordered = undefined;
    this.#groups = undefined;
  }
}
