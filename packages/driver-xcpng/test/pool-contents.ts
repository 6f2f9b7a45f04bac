/**
 * What a fake pool has of a VM, and changes of it behind the back of a driver, for tests.
 */
import type { FakeXapi } from "@bioxen/fake-xapi";
import { expect } from "vitest";

export const OTHER_CLUSTER = "ffeeddccbbaa9988";

type VmFields = Readonly<Record<string, unknown>> & { readonly other_config: Record<string, string> };

export function machines(fake: FakeXapi, vmId: string): readonly (readonly [string, VmFields])[] {
  const all = fake.pool.db.all("VM") as unknown as readonly (readonly [string, VmFields])[];
  return all.filter(([, vm]) => vm.other_config["bioxen:vm-id"] === vmId && vm["is_a_snapshot"] !== true);
}

export function only(fake: FakeXapi, vmId: string): readonly [string, VmFields] {
  const [first, ...others] = machines(fake, vmId);
  expect(others).toEqual([]);
  if (first === undefined) throw new Error(`the pool has no machine of ${vmId}`);
  return first;
}

/** Everything in the pool that a driver could change: every record of VMs, disks and their devices. */
export const contents = (fake: FakeXapi) =>
  structuredClone(["VM", "VDI", "VBD", "VIF"].map((name) => fake.pool.db.all(name)));

/**
 * Gives the only machine of the VM to another BioXen, as its adoption would. No event tells a driver of the change, and
 * the machine's new keys are returned.
 */
export function taken(fake: FakeXapi, vmId: string, cluster = OTHER_CLUSTER): Record<string, string> {
  const [ref, { other_config }] = only(fake, vmId);
  const keys = { ...other_config, "bioxen:cluster": cluster };
  Object.assign(fake.pool.db.get("VM", ref), { other_config: keys });
  return keys;
}

/** Runs `change` once, when the pool gets the next call of this method and before the pool carries it out. */
export function atNext(fake: FakeXapi, method: string, change: () => void): void {
  let isDone = false;
  const when = (): boolean => {
    if (!isDone) {
      isDone = true;
      change();
    }
    return false;
  };
  fake.faults.add({ kind: "refuse", method, code: "INTERNAL_ERROR", when });
}
